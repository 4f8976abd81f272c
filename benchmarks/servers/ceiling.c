// ceiling: relays (or echoes) lines with the least work possible on this kernel, as a bound for the servers.
// One thread, one epoll. Each turn reads every ready socket once. Then every member gets everything that was read in
// that turn, except its own lines, in one send. `ceiling PORT echo` sends each read back instead.
// It is no chat server: no names, no checks, no outbox. A member whose socket is full loses data, so it is only for
// loads that never fill a socket. Each read is taken for whole lines: true for the load generator's short lines.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MEMBERS = 70000, READ_BYTES = 65536, TURN_BYTES = 1 << 22, EVENTS = 4096, LISTENER = MEMBERS };

struct member {
  int fd;
  int own_from, own_to;  // where this turn's bytes from this member are in `turn_data`
};
static struct member members[MEMBERS];
static int member_count, epoll;
static char turn_data[TURN_BYTES];
static int turn_bytes;

static int listen_on(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
    perror("listen");
    exit(1);
  }
  return fd;
}

static void watch(int fd, int id) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = id};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_member(int listener, bool echo) {
  static const char greeting[] = "* hi\n";
  int one = 1, fd = accept(listener, NULL, NULL);
  if (fd < 0) return;
  if (member_count == MEMBERS) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!echo) send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL);
  members[member_count] = (struct member){.fd = fd};
  watch(fd, member_count++);
}

static void read_member(struct member *m, bool echo) {
  if (m->fd < 0 || turn_bytes > TURN_BYTES - READ_BYTES) return;
  ssize_t n = recv(m->fd, turn_data + turn_bytes, READ_BYTES, 0);
  if (n <= 0) {
    close(m->fd);
    m->fd = -1;
    return;
  }
  if (echo) {
    send(m->fd, turn_data + turn_bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  m->own_from = turn_bytes;
  m->own_to = turn_bytes += n;
}

static void deliver_turn(void) {
  for (struct member *m = members; m < members + member_count; m++) {
    if (m->fd < 0) continue;
    struct iovec parts[2] = {{turn_data, m->own_from}, {turn_data + m->own_to, turn_bytes - m->own_to}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (m->own_to == 0)
      send(m->fd, turn_data, turn_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (parts[0].iov_len + parts[1].iov_len)
      sendmsg(m->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    m->own_from = m->own_to = 0;
  }
  turn_bytes = 0;
}

int main(int argc, char **argv) {
  static struct epoll_event events[EVENTS];
  if (argc < 2) return 2;
  bool echo = argc > 2 && !strcmp(argv[2], "echo");
  int listener = listen_on(atoi(argv[1]));
  epoll = epoll_create1(0);
  watch(listener, LISTENER);
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.u32 == LISTENER)
        accept_member(listener, echo);
      else
        read_member(&members[events[i].data.u32], echo);
    }
    if (turn_bytes) deliver_turn();
  }
}
