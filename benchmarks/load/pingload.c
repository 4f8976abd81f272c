// pingload: round trips against an echo server. Each connection keeps one line in flight; the answer must be the same
// bytes. Every line is different, so a late or doubled answer is noticed. Run it with no argument for its options.
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { MAX_LINE = 4096, EVENTS = 256 };

static struct {
  int port, connections, line_bytes;
  double seconds;
  pid_t pid;
} opt = {.connections = 1, .line_bytes = 64, .seconds = 2};

struct connection {
  int fd, got;  // got: how many bytes of the answer are in
  uint64_t sent_at, number;
  char line[MAX_LINE], answer[MAX_LINE];
};

static struct connection *connections;
static int epoll;
static long done, wrong, closed;
static struct histogram latencies;

static void ask(struct connection *c) {
  int head = snprintf(c->line, sizeof c->line, "%015llu ", (unsigned long long)++c->number);
  memset(c->line + head, 'a' + c->number % 26, opt.line_bytes - head - 1);
  c->line[opt.line_bytes - 1] = '\n';
  c->got = 0;
  c->sent_at = now_ns();
  if (send(c->fd, c->line, opt.line_bytes, MSG_NOSIGNAL) != opt.line_bytes) die("send");
}

static void lose(struct connection *c) {
  epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
  close(c->fd);
  c->fd = -1;
  closed++;
}

static void receive(struct connection *c, bool ask_again) {
  ssize_t n = read(c->fd, c->answer + c->got, sizeof c->answer - c->got);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    lose(c);
    return;
  }
  c->got += n;
  if (c->got < opt.line_bytes) return;
  if (c->got > opt.line_bytes || memcmp(c->answer, c->line, opt.line_bytes)) wrong++;
  record(&latencies, now_ns() - c->sent_at);
  done++;
  c->got = -1;  // idle
  if (ask_again) ask(c);
}

static void open_connections(void) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  connections = allocate(opt.connections, sizeof *connections);
  for (int i = 0; i < opt.connections; i++) {
    connections[i].fd = connect_from(i, opt.port, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event)) die("epoll_ctl");
  }
}

// Returns when the last answer came.
static uint64_t run(void) {
  struct epoll_event events[EVENTS];
  uint64_t stop = now_ns() + (uint64_t)(opt.seconds * NS_PER_S), last = 0;
  for (int i = 0; i < opt.connections; i++) ask(&connections[i]);
  for (int in_flight = opt.connections; in_flight > 0;) {
    int ready = epoll_wait(epoll, events, EVENTS, 5000);
    if (ready <= 0) break;  // nothing for five seconds: what is missing is in the result
    last = now_ns();
    for (int i = 0; i < ready; i++) {
      struct connection *c = &connections[events[i].data.u32];
      receive(c, last < stop);
      if (c->fd < 0 || c->got < 0) in_flight--;
    }
  }
  return last;
}

static const char usage[] =
    "usage: pingload --port PORT [--connections N (1)] [--seconds S (2)] [--line BYTES (64)] [--pid PID]\n";

static void read_options(int argc, char **argv) {
  static const struct option known[] = {{"port", 1, 0, 'A'}, {"connections", 1, 0, 'C'}, {"seconds", 1, 0, 'S'},
                                        {"line", 1, 0, 'L'}, {"pid", 1, 0, 'P'},         {0}};
  for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (o) {
      case 'A': opt.port = parse_number(optarg); break;
      case 'C': opt.connections = parse_number(optarg); break;
      case 'S': opt.seconds = parse_decimal(optarg); break;
      case 'L': opt.line_bytes = parse_number(optarg); break;
      case 'P': opt.pid = parse_number(optarg); break;
      default: fputs(usage, stderr); exit(2);
    }
  if (!opt.port || opt.connections < 1 || opt.line_bytes < 20 || opt.line_bytes > MAX_LINE / 2) {
    fputs(usage, stderr);
    exit(2);
  }
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  raise_descriptor_limit();
  open_connections();
  double server_cpu = process_cpu_s(opt.pid), load_cpu = own_cpu_s();
  uint64_t start = now_ns();
  double elapsed = (run() - start) / 1e9;
  long asked = 0;
  for (int i = 0; i < opt.connections; i++) asked += connections[i].number;
  json_begin();
  json_integer("connections", opt.connections);
  json_integer("round_trips", done);
  json_integer("unanswered", asked - done);
  json_integer("wrong", wrong);
  json_integer("closed", closed);
  json_number("round_trips_per_s", done / elapsed);
  json_latencies(&latencies);
  json_number("server_cpu_s", process_cpu_s(opt.pid) - server_cpu);
  json_number("load_cpu", (own_cpu_s() - load_cpu) / elapsed);
  json_end();
  return 0;
}
