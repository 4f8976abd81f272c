// worker_threads: does in C, with a thread per connection, what RoadRunner's TCP plugin does with a message. This is
// the least that such a host can cost on this kernel with these workers.
//
//   worker_threads PORT WORKERS COMMAND...
//
// Each connection's thread reads, takes an idle worker (or waits for one), writes the event to its pipe, reads the
// answer and sends it: four system calls, each of which blocks. It is no server: it has no limits, no time-outs, no
// delimiter. One read is one message and one answer, and any failure ends the program.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_BYTES = 12, OPTION_BYTES = 4, MESSAGE_BYTES = 65536, FRAME_BYTES = MESSAGE_BYTES + 1024 };

struct worker {
  int to, from;
  struct worker *next;
};
static struct worker *idle;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came_free = PTHREAD_COND_INITIALIZER;

static void check(bool good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static uint32_t crc32_of(const uint8_t *data, int count) {
  uint32_t crc = ~0u;
  for (int i = 0; i < count; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

// Write a frame with `size` bytes of context and a body; return its length. A control frame (flags) has no option.
static size_t pack(uint8_t *frame, int flags, const char *context, uint32_t size, const void *body, size_t body_bytes) {
  uint8_t *at = frame + HEADER_BYTES;
  uint32_t length = size + body_bytes;
  frame[0] = 0x10 | (flags ? 3 : 4);
  frame[1] = flags;
  memcpy(frame + 2, &length, 4);
  uint32_t crc = crc32_of(frame, 6);
  memcpy(frame + 6, &crc, 4);
  frame[10] = frame[11] = 0;
  if (!flags) {
    memcpy(at, &size, OPTION_BYTES);
    at += OPTION_BYTES;
  }
  memcpy(at, context, size);
  memcpy(at + size, body, body_bytes);
  return at + length - frame;
}

static size_t exchange(const struct worker *w, uint8_t *frame, size_t count) {
  check(write(w->to, frame, count) == (ssize_t)count, "write to a worker");
  ssize_t got = read(w->from, frame, FRAME_BYTES);
  check(got > HEADER_BYTES, "read from a worker");
  return got;
}

static void *serve(void *argument) {
  int fd = (intptr_t)argument, one = 1;
  uint8_t message[MESSAGE_BYTES], frame[FRAME_BYTES];
  const char *event = "CONNECTED";
  ssize_t count = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  do {
    char context[256];
    int size = snprintf(context, sizeof context,
                        "{\"remote_addr\":\"127.0.0.1:54321\",\"server\":\"server1\","
                        "\"uuid\":\"6b1f5b1e-0000-4000-8000-%012d\",\"event\":\"%s\"}", fd, event);
    size_t packed = pack(frame, 0, context, size, message, count);
    pthread_mutex_lock(&lock);
    while (!idle) pthread_cond_wait(&came_free, &lock);
    struct worker *w = idle;
    idle = w->next;
    pthread_mutex_unlock(&lock);
    size_t got = exchange(w, frame, packed);
    pthread_mutex_lock(&lock);
    w->next = idle;
    idle = w;
    pthread_cond_signal(&came_free);
    pthread_mutex_unlock(&lock);
    uint32_t verdict_bytes;
    memcpy(&verdict_bytes, frame + HEADER_BYTES, 4);
    size_t body = HEADER_BYTES + OPTION_BYTES + verdict_bytes;
    if (got > body) send(fd, frame + body, got - body, MSG_NOSIGNAL);
    event = "DATA";
    count = recv(fd, message, sizeof message, 0);
  } while (count > 0);
  close(fd);
  return NULL;
}

static void start_worker(char **command) {
  int to[2], from[2];
  check(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipe");
  if (fork() == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    execv(command[0], command);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  struct worker *w = malloc(sizeof *w);
  *w = (struct worker){.to = to[1], .from = from[0], .next = idle};
  uint8_t frame[FRAME_BYTES];
  char hello[32];
  exchange(w, frame, pack(frame, 0x09, hello, snprintf(hello, sizeof hello, "{\"pid\":%d}", getpid()), "", 0));
  idle = w;
}

int main(int argc, char **argv) {
  check(argc > 3, "worker_threads PORT WORKERS COMMAND...");
  setenv("RR_RELAY", "pipes", 1);
  setenv("RR_MODE", "tcp", 1);
  setenv("RR_VERSION", "threads in C", 1);
  for (int i = atoi(argv[2]); i--;) start_worker(argv + 3);
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 4096) == 0, "listen");
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    pthread_t thread;
    check(fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0, "accept");
    pthread_detach(thread);
  }
}
