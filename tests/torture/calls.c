// SPDX-License-Identifier: Apache-2.0
//
// The system calls of a tortured process, each a fault point before it is made: put in front of
// libc's by LD_PRELOAD. What the process asks for, it gets, unless the order says that it fails.
// Messages are points of their own, by their kind: "send attach", "received attached".
#undef _FILE_OFFSET_BITS  // libc's own names; on 64-bit machines the "64" ones are the same
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "points.h"

_Static_assert(sizeof(off_t) == 8, "the aliases below need a 64-bit machine");

// `next`: libc's function of that name.
#define NEXT(call)               \
  static __typeof__(&call) next; \
  if (next == NULL) *(void**)&next = dlsym(RTLD_NEXT, #call)

// Fails here if it is told to.
#define POINT(call, detail, failed)                                                  \
  NEXT(call);                                                                        \
  do {                                                                               \
    const int error = torture_pass_call(#call, detail, __builtin_return_address(0)); \
    if (error != 0) {                                                                \
      errno = error;                                                                 \
      return (failed);                                                               \
    }                                                                                \
  } while (0)

#define ALIAS(name, of) extern __typeof__(of) name __attribute__((alias(#of)))

// The kind of a flat Cap'n Proto Message: a word of segment table, the root pointer, then its data:
// request, kind. In the order of `union` in schema/control.capnp. NULL: it is none.
static const char* kind_of(const struct msghdr* header, size_t bytes) {
  static const char* const kinds[] = {
      "refused",      "announce",    "announced",  "addReader",      "readerAdded",
      "removeReader", "claimReader", "readerGone", "changeSettings", "settings",
      "attach",       "attached",    "claim",      "claimed",        "detached",
      "listStreams",  "streams",     "statStream", "streamStat"};
  uint16_t kind = UINT16_MAX;
  if (bytes >= 24 && header->msg_iovlen == 1) {
    memcpy(&kind, (const char*)header->msg_iov[0].iov_base + 20, sizeof kind);
  }
  return kind < sizeof kinds / sizeof kinds[0] ? kinds[kind] : NULL;
}

ssize_t sendmsg(int fd, const struct msghdr* header, int flags) {
  const size_t bytes = header->msg_iovlen == 1 ? header->msg_iov[0].iov_len : 0;
  POINT(sendmsg, kind_of(header, bytes), -1);
  return next(fd, header, flags);
}

ssize_t recvmsg(int fd, struct msghdr* header, int flags) {
  POINT(recvmsg, NULL, -1);
  const ssize_t got = next(fd, header, flags);
  // Too late to fail: the message has been taken.
  const char* const kind = got > 0 ? kind_of(header, (size_t)got) : NULL;
  if (kind != NULL) (void)torture_pass_call("received", kind, NULL);
  return got;
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  POINT(send, NULL, -1);
  return next(fd, bytes, size, flags);
}

ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  POINT(recv, NULL, -1);
  return next(fd, bytes, size, flags);
}

int socket(int domain, int type, int protocol) {
  POINT(socket, NULL, -1);
  return next(domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
  POINT(socketpair, NULL, -1);
  return next(domain, type, protocol, pair);
}

int connect(int fd, const struct sockaddr* address, socklen_t length) {
  POINT(connect, NULL, -1);
  return next(fd, address, length);
}

int accept4(int fd, struct sockaddr* address, socklen_t* length, int flags) {
  POINT(accept4, NULL, -1);
  return next(fd, address, length, flags);
}

int memfd_create(const char* name, unsigned flags) {
  POINT(memfd_create, NULL, -1);
  return next(name, flags);
}

int ftruncate(int fd, off_t length) {
  POINT(ftruncate, NULL, -1);
  return next(fd, length);
}
ALIAS(ftruncate64, ftruncate);

int fallocate(int fd, int mode, off_t from, off_t length) {
  POINT(fallocate, NULL, -1);
  return next(fd, mode, from, length);
}
ALIAS(fallocate64, fallocate);

void* mmap(void* at, size_t length, int protection, int flags, int fd, off_t from) {
  POINT(mmap, NULL, MAP_FAILED);
  return next(at, length, protection, flags, fd, from);
}
ALIAS(mmap64, mmap);

int munmap(void* at, size_t length) {
  POINT(munmap, NULL, -1);
  return next(at, length);
}

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  POINT(fcntl, NULL, -1);
  return next(fd, command, argument);
}
ALIAS(fcntl64, fcntl);

int close(int fd) {
  POINT(close, NULL, -1);
  return next(fd);
}

int eventfd(unsigned count, int flags) {
  POINT(eventfd, NULL, -1);
  return next(count, flags);
}

int epoll_create1(int flags) {
  POINT(epoll_create1, NULL, -1);
  return next(flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
  NEXT(epoll_ctl);
  // To change or end a watch needs no memory: that does not fail.
  const int add = operation == EPOLL_CTL_ADD;
  const int error =
      torture_pass_call(add ? "epoll_ctl" : "epoll_change", NULL, __builtin_return_address(0));
  if (add && error != 0) {
    errno = error;
    return -1;
  }
  return next(epoll, operation, fd, event);
}

int epoll_wait(int epoll, struct epoll_event* events, int room, int timeout) {
  POINT(epoll_wait, NULL, -1);
  return next(epoll, events, room, timeout);
}

int ppoll(struct pollfd* watched, nfds_t count, const struct timespec* timeout,
          const sigset_t* mask) {
  POINT(ppoll, NULL, -1);
  return next(watched, count, timeout, mask);
}

int timerfd_create(int clock, int flags) {
  POINT(timerfd_create, NULL, -1);
  return next(clock, flags);
}

int inotify_init1(int flags) {
  POINT(inotify_init1, NULL, -1);
  return next(flags);
}

int inotify_add_watch(int fd, const char* path, uint32_t mask) {
  POINT(inotify_add_watch, NULL, -1);
  return next(fd, path, mask);
}

int fstat(int fd, struct stat* status) {
  POINT(fstat, NULL, -1);
  return next(fd, status);
}

// Futexes and pidfds; the six registers are passed on whatever the call takes.
long syscall(long number, ...) {
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(rest, long);
  va_end(rest);
  POINT(syscall, number == SYS_futex ? "futex" : NULL, -1);
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
