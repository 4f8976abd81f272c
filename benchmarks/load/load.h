// load.h: what both load generators share: clock, sockets, a look at the server process, a latency histogram,
// and the JSON object they print. One thread, no locks. Every failure of the generator itself ends the program
// with status 2, so that a broken measurement is never mistaken for a slow server.
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

uint64_t now_ns(void);                          // CLOCK_MONOTONIC
void sleep_ms(int milliseconds);
void die(const char *what) __attribute__((noreturn));  // perror, exit 2
void *allocate(size_t count, size_t size);      // calloc that dies
long parse_number(const char *text);            // a whole decimal number, or die
double parse_decimal(const char *text);

// Sockets. Connections are spread over 127.0.0.0/8: one source address has too few ports for big runs.
void raise_descriptor_limit(void);
int connect_from(int index, int port, int receive_buffer);  // blocking connect, then O_NONBLOCK and TCP_NODELAY

// The server process, from outside. All of these are 0 when pid is 0.
double process_cpu_s(pid_t pid);                // user + system, all threads, nanosecond resolution
long process_status(pid_t pid, const char *key);  // a number of /proc/PID/status, e.g. "VmRSS:" in KiB
int process_descriptors(pid_t pid);
double own_cpu_s(void);

// Log-linear histogram of nanoseconds: 128 steps per power of two, so within 0.8 %, at a cost of a few instructions.
enum { STEPS = 128, BUCKETS = 58 * STEPS };
struct histogram {
  uint64_t total, most;
  uint32_t counts[BUCKETS];
};

static inline void record(struct histogram *h, uint64_t ns) {
  unsigned index = ns;
  if (ns >= STEPS) {
    int shift = 63 - __builtin_clzll(ns) - 7;
    index = (shift + 1) * STEPS + ((ns >> shift) & (STEPS - 1));
  }
  h->counts[index]++;
  h->total++;
  if (ns > h->most) h->most = ns;
}
double percentile_ms(const struct histogram *h, double part);

// One flat JSON object on stdout.
void json_begin(void);
void json_integer(const char *name, long value);
void json_number(const char *name, double value);
void json_latencies(const struct histogram *h);
void json_end(void);

#endif
