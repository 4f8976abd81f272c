// load.c: see load.h.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timespec t) { return t.tv_sec + t.tv_nsec / 1e9; }

uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

void sleep_ms(int milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * NS_PER_MS};
  while (nanosleep(&t, &t) && errno == EINTR) {}
}

void die(const char *what) {
  perror(what);
  exit(2);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) die("calloc");
  return memory;
}

long parse_number(const char *text) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno || end == text || *end || value < 0) {
    fprintf(stderr, "not a number: %s\n", text);
    exit(2);
  }
  return value;
}

double parse_decimal(const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !(value >= 0)) {
    fprintf(stderr, "not a number: %s\n", text);
    exit(2);
  }
  return value;
}

// ---- sockets ----

void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int connect_from(int index, int port, int receive_buffer) {
  enum { PER_ADDRESS = 4000, TRIES = 50 };
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  if (receive_buffer) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);

  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / PER_ADDRESS)};
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&source, sizeof source)) die("bind");

  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int tries = 0; connect(fd, (struct sockaddr *)&server, sizeof server); tries++) {
    if (tries == TRIES) die("connect");
    sleep_ms(20);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// ---- the server process ----

double process_cpu_s(pid_t pid) {
  clockid_t clock;
  struct timespec t;
  if (!pid || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t)) return 0;
  return seconds(t);
}

long process_status(pid_t pid, const char *key) {
  char path[64], line[256];
  long value = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = pid ? fopen(path, "r") : NULL;
  if (!file) return 0;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, key, strlen(key))) value = atol(line + strlen(key));
  fclose(file);
  return value;
}

int process_descriptors(pid_t pid) {
  char path[64];
  int count = -2;  // "." and ".."
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *directory = pid ? opendir(path) : NULL;
  if (!directory) return 0;
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

double own_cpu_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return seconds(t);
}

// ---- histogram ----

double percentile_ms(const struct histogram *h, double part) {
  uint64_t wanted = part * h->total, seen = 0;
  for (int i = 0; i < BUCKETS && h->total; i++) {
    seen += h->counts[i];
    if (seen <= wanted) continue;
    int shift = i / STEPS - 1;
    uint64_t ns = shift < 0 ? (uint64_t)i : (uint64_t)(STEPS + i % STEPS) << shift;
    return ns / 1e6;
  }
  return h->most / 1e6;
}

// ---- JSON ----

static const char *separator = "";

void json_begin(void) { printf("{"); }

void json_integer(const char *name, long value) {
  printf("%s\"%s\":%ld", separator, name, value);
  separator = ",";
}

void json_number(const char *name, double value) {
  printf("%s\"%s\":%.6f", separator, name, value);
  separator = ",";
}

void json_latencies(const struct histogram *h) {
  json_number("p50_ms", percentile_ms(h, .50));
  json_number("p99_ms", percentile_ms(h, .99));
  json_number("p999_ms", percentile_ms(h, .999));
  json_number("max_ms", h->most / 1e6);
}

void json_end(void) { printf("}\n"); }
