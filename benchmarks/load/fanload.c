// fanload: load for servers that relay every line to everybody else. Run it with no argument for its options.
//
// It connects all members. It waits until they have been greeted and no more notices of their arrival come. Then each
// talker says one line that everybody must see, so names are taken and everybody is known to be a member. Then it
// measures:
//   closed loop (--window W)  a talker has at most W lines that their observers have not seen. The observers are
//                             spread over all members, so the order in which a server serves them does not matter;
//   open loop   (--rate R)    a talker's lines are due at fixed times, and latency counts from the time a line was due.
// It has one thread and one epoll; a line costs it some tens of nanoseconds. `load_cpu` in the result is its own share
// of one core. If that is near 1, the generator itself is the limit, and the server's figure is a lower bound.
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lines.h"
#include "load.h"

enum { READ_BYTES = 262144, TAIL_BYTES = 2 * MAX_LINE, OUT_BYTES = 65536, EVENTS = 1024 };

static struct {
  int port, members, talkers, stalled, window, line_bytes, idle_s, pace, quiet_ms, settle_ms;
  double rate, seconds;
  pid_t pid;
  enum dialect dialect;
  bool echoes, silent, storm;
} opt = {.members = 100, .talkers = 1, .window = 64, .line_bytes = 64, .seconds = 2, .pace = 512, .quiet_ms = 2500, .settle_ms = 200};

struct member {
  int fd;            // -1 once the server has closed it
  bool greeted, joined, waits_to_write;
  int tail_bytes;    // an unfinished line, kept for the next read
  char tail[TAIL_BYTES];
};

struct talker {
  uint32_t sent, seen;  // line numbers: the next to send, the next that its observer has not seen
  int observer;         // of line `seen`
  int out_from, out_to;  // bytes in `out` that did not fit into the socket yet
  char out[OUT_BYTES];
};

static struct member *members;
static struct talker *talkers;
static int epoll, readers;  // readers: all members but the stalled ones, which come last and never read
static struct {
  int greeted, joined, closed;
  long bytes, garbled;
  uint64_t last_byte, last_delivery;
} seen;
static uint64_t born;       // line stamps count from this time
static bool measuring;      // latencies count only while this is true
static struct histogram latencies;

// ---- receiving ----

static void lose(int index) {
  struct member *m = &members[index];
  epoll_ctl(epoll, EPOLL_CTL_DEL, m->fd, NULL);
  close(m->fd);
  m->fd = -1;
  seen.closed++;
}

// IRC before the measurement: registration, JOIN, PING.
static void on_irc_notice(struct member *m, const char *text, size_t length) {
  char reply[MAX_LINE];
  if (length > 5 && !memcmp(text, "PING ", 5)) {
    int n = snprintf(reply, sizeof reply, "PONG %.*s\r\n", (int)length - 5, text + 5);
    if (write(m->fd, reply, n) != n) die("write PONG");
  } else if (!m->greeted && memmem(text, length, " 001 ", 5)) {
    m->greeted = true;
    seen.greeted++;
  } else if (!m->joined && memmem(text, length, " 366 ", 5)) {
    m->joined = true;
    seen.joined++;
  }
}

static int observer_of(int talker, uint32_t number) {
  int reader = (number * 2654435761u >> 8) % readers;  // Knuth's multiplicative hash: scattered, and the same in every run
  return reader == talker ? (reader + 1) % readers : reader;
}

// If a line was lost, its observer learns that from a later line, and the window opens all the same.
static void open_window(int index) {
  struct talker *t = &talkers[index];
  while (t->seen < t->sent && ledger_next(t->observer, index) > t->seen) t->observer = observer_of(index, ++t->seen);
}

static inline void on_line(int index, const char *text, size_t length, uint64_t at) {
  struct line line;
  switch (read_line(text, length, &line)) {
    case IS_NOTICE:
      if (opt.dialect == IRC) on_irc_notice(&members[index], text, length);
      return;
    case IS_GARBLED:
      // the greeting is the one line that is neither a notice nor a talker's
      if (measuring || talkers[0].sent) seen.garbled++;
      return;
    case IS_LINE:
      break;
  }
  struct talker *t = &talkers[line.talker];
  if (line.number >= t->sent) {
    seen.garbled++;
    return;
  }
  ledger_enter(index, &line);
  seen.last_delivery = at;
  if (measuring) record(&latencies, at > born + line.stamp ? at - born - line.stamp : 0);
  if (index == t->observer) open_window(line.talker);
}

static void on_bytes(int index, char *data, size_t length, uint64_t at) {
  struct member *m = &members[index];
  char *end = data + length, *newline;
  if (!m->greeted && opt.dialect != IRC) {
    m->greeted = true;
    seen.greeted++;
  }
  while ((newline = memchr(data, '\n', end - data))) {
    size_t line_length = newline - data;
    if (line_length && newline[-1] == '\r') line_length--;
    on_line(index, data, line_length, at);
    data = newline + 1;
  }
  m->tail_bytes = end - data;
  if (m->tail_bytes > TAIL_BYTES) {
    seen.garbled++;
    m->tail_bytes = 0;
  }
  memcpy(m->tail, data, m->tail_bytes);
}

// Wait for at most `timeout_ns`, then read once from every socket that has something.
static void turn(uint64_t timeout_ns) {
  static struct epoll_event events[EVENTS];
  static char buffer[TAIL_BYTES + READ_BYTES];
  struct timespec timeout = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
  int ready = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);
  if (ready < 0 && errno != EINTR) die("epoll_pwait2");
  for (int i = 0; i < ready; i++) {
    int index = events[i].data.u32;
    struct member *m = &members[index];
    if (m->fd < 0 || !(events[i].events & ~EPOLLOUT)) continue;
    memcpy(buffer, m->tail, m->tail_bytes);
    ssize_t n = read(m->fd, buffer + m->tail_bytes, READ_BYTES);
    if (n > 0) {
      uint64_t at = now_ns();
      seen.bytes += n;
      seen.last_byte = at;
      on_bytes(index, buffer, m->tail_bytes + n, at);
    } else if (n == 0 || errno != EAGAIN) {
      lose(index);
    }
  }
}

// ---- sending ----

static void flush(int index) {
  struct talker *t = &talkers[index];
  struct member *m = &members[index];
  if (m->fd < 0 || t->out_from == t->out_to) return;
  ssize_t n = send(m->fd, t->out + t->out_from, t->out_to - t->out_from, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) {
    lose(index);
    return;
  }
  if (n > 0) t->out_from += n;
  if (t->out_from == t->out_to) t->out_from = t->out_to = 0;
  bool wait = t->out_to > 0;
  if (wait == m->waits_to_write) return;
  m->waits_to_write = wait;
  struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.u32 = index};
  epoll_ctl(epoll, EPOLL_CTL_MOD, m->fd, &event);
}

static bool has_room(const struct talker *t) { return t->out_to + MAX_LINE + LINE_OVERHEAD <= OUT_BYTES; }

static void say(int index, uint64_t stamp) {
  struct talker *t = &talkers[index];
  struct line line = {.talker = index, .number = t->sent++, .stamp = stamp - born};
  t->out_to += write_line(t->out + t->out_to, &line);
}

static void say_what_the_window_allows(int index, uint64_t now) {
  struct talker *t = &talkers[index];
  while (t->sent - t->seen < (uint32_t)opt.window && has_room(t)) say(index, now);
}

// Returns when this talker's next line is due. The talkers' lines are spread evenly over the period.
static uint64_t say_what_is_due(int index, uint64_t start, uint64_t now) {
  struct talker *t = &talkers[index];
  for (;;) {
    double periods = (t->sent - 1) + (double)index / opt.talkers;  // line 0 was for the warm-up
    uint64_t due = start + (uint64_t)(periods * NS_PER_S / opt.rate);
    if (due > now || !has_room(t)) return due;
    say(index, due);
  }
}

// ---- set-up ----

static void open_member(int index) {
  struct member *m = &members[index];
  bool stalled = index >= readers;
  m->fd = connect_from(index, opt.port, stalled ? 4096 : 0);
  if (opt.dialect == IRC) {
    char text[96];  // a stalled member never reads that it may join, so it joins at once
    int n = snprintf(text, sizeof text, "NICK u%d\r\nUSER u%d 0 * :u\r\n%s", index, index, stalled ? "JOIN #t\r\n" : "");
    if (write(m->fd, text, n) != n) die("write NICK");
  }
  if (stalled) return;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, m->fd, &event)) die("epoll_ctl");
}

// How many connections have been accepted. For a server that says nothing to a newcomer, /proc tells.
static int accepted_count(int descriptors_before) {
  return opt.silent ? process_descriptors(opt.pid) - descriptors_before : seen.greeted;
}

static void fail(const char *what) {
  fprintf(stderr, "fanload: %s (greeted %d, joined %d of %d, closed %d)\n", what, seen.greeted, seen.joined, readers, seen.closed);
  exit(3);
}

static void wait_until_accepted(int descriptors_before) {
  uint64_t limit = now_ns() + 60ull * NS_PER_S;
  while (accepted_count(descriptors_before) < (opt.silent ? opt.members : readers)) {
    turn(NS_PER_MS);
    if (seen.closed) fail("a connection was closed during set-up");
    if (now_ns() > limit) fail("not everybody was accepted in a minute");
  }
}

// Read until nothing has come for settle_ms.
static void settle(void) {
  uint64_t start = now_ns(), limit = start + 60ull * NS_PER_S, quiet = (uint64_t)opt.settle_ms * NS_PER_MS;
  if (seen.last_byte < start) seen.last_byte = start;
  while (now_ns() < seen.last_byte + quiet && now_ns() < limit) turn(20 * NS_PER_MS);
}

// The connections that wait to be accepted must be few enough for the server's backlog. One too many costs a second,
// after which its SYN is sent again.
static void connect_members(int descriptors_before) {
  for (int i = 0; i < opt.members; i++) {
    open_member(i);
    if (i % 8 == 7) turn(0);
    while (i < readers && i + 1 - accepted_count(descriptors_before) >= opt.pace && !seen.closed)
      turn(NS_PER_MS / 10);
  }
  wait_until_accepted(descriptors_before);
}

static void join_irc_channel(void) {
  uint64_t limit = now_ns() + 60ull * NS_PER_S;
  for (int i = 0; i < readers; i++) {
    if (write(members[i].fd, "JOIN #t\r\n", 9) != 9) die("write JOIN");
    if (i % 16 == 15) turn(0);
  }
  while (seen.joined < readers) {
    turn(5 * NS_PER_MS);
    if (now_ns() > limit) fail("not everybody has joined in a minute");
  }
}

static void take_nicks(void) {
  for (int i = 0; i < opt.talkers; i++) {
    char text[32];
    int n = snprintf(text, sizeof text, "/nick u%d\n", i);
    if (write(members[i].fd, text, n) != n) die("write /nick");
  }
  settle();
}

static int receivers_of_a_line(void) { return opt.echoes ? readers : readers - 1; }

static long lines_sent(void) {
  long lines = 0;
  for (int i = 0; i < opt.talkers; i++) lines += talkers[i].sent;
  return lines;
}

static bool all_delivered(void) { return ledger.delivered >= lines_sent() * receivers_of_a_line(); }

// Each talker says line 0, and everybody must see it. If the server loses lines even now, go on after quiet_ms.
static void warm_up(void) {
  const uint64_t limit = now_ns() + 60ull * NS_PER_S, quiet = (uint64_t)opt.quiet_ms * NS_PER_MS;
  for (int i = 0; i < opt.talkers; i++) {
    say(i, now_ns());
    flush(i);
    if (i % 16 == 15) turn(0);
  }
  while (!all_delivered() && now_ns() < limit && now_ns() < seen.last_byte + quiet) turn(20 * NS_PER_MS);
  settle();
}

// ---- the measurement ----

struct outcome {
  uint64_t start, end;
  long delivered;
  bool frozen;  // deliveries ended well before the talkers were to stop, with lines under way
};

static struct outcome measure(void) {
  const uint64_t quiet = (uint64_t)opt.quiet_ms * NS_PER_MS;
  const long delivered_before = ledger.delivered;
  struct outcome out = {.start = now_ns()};
  const uint64_t stop = out.start + (uint64_t)(opt.seconds * NS_PER_S);
  measuring = true;
  seen.last_delivery = out.start;
  for (;;) {
    uint64_t now = now_ns(), next = now + 20 * NS_PER_MS;
    bool sending = now < stop;
    for (int i = 0; i < opt.talkers; i++) {
      if (members[i].fd < 0) continue;
      if (sending && opt.rate > 0) {
        uint64_t due = say_what_is_due(i, out.start, now);
        if (due < next) next = due;
      } else if (sending) {
        say_what_the_window_allows(i, now);
      }
      flush(i);
    }
    if (!sending && all_delivered()) break;
    if (now > seen.last_delivery + quiet && !all_delivered()) break;
    if (now > stop + 30ull * NS_PER_S) break;
    turn(next > now ? next - now : 0);
  }
  out.end = seen.last_delivery;
  out.frozen = !all_delivered() && out.end + NS_PER_S / 2 < stop;
  out.delivered = ledger.delivered - delivered_before;
  return out;
}

static int stalled_closed(void) {
  int count = 0;
  for (int i = readers; i < opt.members; i++) {
    struct pollfd p = {.fd = members[i].fd, .events = POLLRDHUP};
    count += poll(&p, 1, 0) > 0;
  }
  return count;
}

// ---- options and result ----

static const char usage[] =
    "usage: fanload --port PORT [options]\n"
    "  --members N (100)     connections            --talkers N (1)     how many of them talk\n"
    "  --window N (64)       closed loop            --rate R            open loop: lines per second and talker\n"
    "  --seconds S (2)       how long to talk       --line BYTES (64)   length of a line\n"
    "  --stalled K (0)       the last K members never read\n"
    "  --idle S (0)          measure the server's CPU over S seconds of silence first\n"
    "  --pace N (512)        so many connections at most wait to be accepted: less than the server's backlog\n"
    "  --storm               measure only how all members arrive at once (a --pace after it still holds)\n"
    "  --pid PID             the server process, for CPU and memory\n"
    "  --quiet MS (2500)     silence after which a run has stopped     --settle MS (200)  silence that ends set-up\n"
    "  --echoes              the server sends a line to its sender too\n"
    "  --silent              the server does not greet (needs --pid)\n"
    "  --nick                take names with /nick first    --irc   the server is an IRC server\n";

static void read_options(int argc, char **argv) {
  enum { PORT = 'A', MEMBERS, TALKERS, WINDOW, RATE, SECONDS, LINE, STALLED, IDLE, PACE, STORM, PID, QUIET, SETTLE, ECHOES, SILENT, NICK, IRC_OPTION };
  static const struct option known[] = {
      {"port", 1, 0, PORT},       {"members", 1, 0, MEMBERS}, {"talkers", 1, 0, TALKERS}, {"window", 1, 0, WINDOW},
      {"rate", 1, 0, RATE},       {"seconds", 1, 0, SECONDS}, {"line", 1, 0, LINE},       {"stalled", 1, 0, STALLED},
      {"idle", 1, 0, IDLE},       {"storm", 0, 0, STORM},     {"pid", 1, 0, PID},         {"quiet", 1, 0, QUIET},
      {"settle", 1, 0, SETTLE},   {"echoes", 0, 0, ECHOES},   {"silent", 0, 0, SILENT},   {"nick", 0, 0, NICK},
      {"irc", 0, 0, IRC_OPTION},  {"pace", 1, 0, PACE},       {0}};
  for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (o) {
      case PORT: opt.port = parse_number(optarg); break;
      case MEMBERS: opt.members = parse_number(optarg); break;
      case TALKERS: opt.talkers = parse_number(optarg); break;
      case WINDOW: opt.window = parse_number(optarg); break;
      case RATE: opt.rate = parse_decimal(optarg); break;
      case SECONDS: opt.seconds = parse_decimal(optarg); break;
      case LINE: opt.line_bytes = parse_number(optarg); break;
      case STALLED: opt.stalled = parse_number(optarg); break;
      case IDLE: opt.idle_s = parse_number(optarg); break;
      case PACE: opt.pace = parse_number(optarg); break;
      case STORM: opt.storm = true, opt.pace = INT_MAX; break;
      case PID: opt.pid = parse_number(optarg); break;
      case QUIET: opt.quiet_ms = parse_number(optarg); break;
      case SETTLE: opt.settle_ms = parse_number(optarg); break;
      case ECHOES: opt.echoes = true; break;
      case SILENT: opt.silent = true; break;
      case NICK: opt.dialect = BARE; break;
      case IRC_OPTION: opt.dialect = IRC; break;
      default: fputs(usage, stderr); exit(2);
    }
  readers = opt.members - opt.stalled;
  if (!opt.port || readers < 2 || opt.talkers < 1 || opt.talkers > readers || opt.window < 1 || (opt.silent && !opt.pid)) {
    fputs(usage, stderr);
    exit(2);
  }
}

static void set_up(void) {
  raise_descriptor_limit();
  born = now_ns();
  epoll = epoll_create1(EPOLL_CLOEXEC);
  members = allocate(opt.members, sizeof *members);
  talkers = allocate(opt.talkers, sizeof *talkers);
  for (int i = 0; i < opt.talkers; i++) talkers[i].observer = observer_of(i, 0);
  lines_set_up(opt.dialect, opt.talkers, opt.line_bytes);
  ledger_set_up(readers, opt.talkers);
}

// The report of a storm. `drained_s` is when its last byte arrived, before settle_ms of silence.
static void report_storm(uint64_t began, uint64_t greeted, double server_cpu) {
  json_begin();
  json_integer("members", opt.members);
  json_number("greeted_s", (greeted - began) / 1e9);
  json_number("drained_s", (seen.last_byte - began) / 1e9);
  json_number("bytes_per_member", (double)seen.bytes / readers);
  json_number("server_cpu_s", server_cpu);
  json_number("cpu_us_per_join", server_cpu * 1e6 / opt.members);
  json_integer("closed", seen.closed);
  json_end();
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  set_up();

  int descriptors_before = process_descriptors(opt.pid);
  long rss_before = process_status(opt.pid, "VmRSS:");
  double cpu_before = process_cpu_s(opt.pid);
  uint64_t began = now_ns();
  connect_members(descriptors_before);
  if (opt.dialect == IRC) join_irc_channel();
  uint64_t accepted = now_ns();
  settle();
  if (opt.storm) {
    report_storm(began, accepted, process_cpu_s(opt.pid) - cpu_before);
    return 0;
  }
  long rss_idle = process_status(opt.pid, "VmRSS:"), threads = process_status(opt.pid, "Threads:");
  double idle_cpu = process_cpu_s(opt.pid);
  sleep_ms(opt.idle_s * 1000);
  idle_cpu = process_cpu_s(opt.pid) - idle_cpu;

  uint64_t warm = now_ns();
  if (opt.dialect == BARE) take_nicks();
  warm_up();
  double warm_up_s = (now_ns() - warm) / 1e9;
  int descriptors_settled = process_descriptors(opt.pid);
  double server_cpu = process_cpu_s(opt.pid), load_cpu = own_cpu_s();
  struct outcome out = measure();
  load_cpu = own_cpu_s() - load_cpu;
  server_cpu = process_cpu_s(opt.pid) - server_cpu;

  // A frozen server is charged for the whole time it was asked to work.
  double elapsed = out.frozen ? opt.seconds : (out.end - out.start) / 1e9;
  long expected = lines_sent() * receivers_of_a_line();
  json_begin();
  json_integer("members", opt.members);
  json_integer("talkers", opt.talkers);
  json_integer("stalled", opt.stalled);
  json_integer("expected", expected);
  json_integer("delivered", ledger.delivered);
  json_integer("lost", expected - ledger.delivered);
  json_integer("duplicated", ledger.duplicated);
  json_integer("reordered", ledger.reordered);
  json_integer("garbled", seen.garbled);
  json_integer("closed", seen.closed);
  json_integer("frozen", out.frozen);
  json_number("last_delivery_s", (out.end - out.start) / 1e9);
  json_number("deliveries_per_s", elapsed > 0 ? out.delivered / elapsed : 0);
  json_latencies(&latencies);
  json_number("server_cpu_s", server_cpu);
  json_number("cpu_us_per_delivery", out.delivered ? server_cpu * 1e6 / out.delivered : 0);
  json_number("load_cpu", elapsed > 0 ? load_cpu / elapsed : 0);
  json_number("accepted_s", (accepted - began) / 1e9);
  json_number("accepted_per_s", opt.members * 1e9 / (accepted - began));
  json_number("kb_per_connection", (double)(rss_idle - rss_before) / opt.members);
  json_integer("rss_idle_kb", rss_idle);
  json_integer("rss_peak_kb", process_status(opt.pid, "VmHWM:"));
  json_integer("threads", threads);
  json_number("idle_cpu", opt.idle_s ? idle_cpu / opt.idle_s : 0);
  json_number("warm_up_s", warm_up_s);
  json_integer("stalled_closed", stalled_closed());
  json_integer("dropped_by_server", opt.pid ? descriptors_settled - process_descriptors(opt.pid) : 0);
  json_end();
  return 0;
}
