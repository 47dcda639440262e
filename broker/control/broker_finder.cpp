// SPDX-License-Identifier: Apache-2.0
#include "control/broker_finder.h"

#include <sys/inotify.h>

#include <algorithm>
#include <cstring>

namespace framering {

namespace {

constexpr std::uint64_t kFirstBackOff_ns = 10'000'000;
constexpr std::uint64_t kMaxBackOff_ns = 500'000'000;
// With a watch the timer only covers the odd case (a directory replaced, a full queue of
// connections).
constexpr std::uint64_t kMaxBackOffWatched_ns = 2'000'000'000;

}  // namespace

BrokerFinder::BrokerFinder(std::string dir, Role role)
    : dir_(std::move(dir)),
      path_(socket_path(dir_, role)),
      file_(path_.substr(path_.rfind('/') + 1)) {}

Fd BrokerFinder::connect(std::uint64_t now_ns) {
  if (now_ns < next_try_ns_) return {};
  Fd socket = connect_seqpacket(path_, last_error_);
  if (!socket.valid() && directory_watch_ < 0) {
    // Only now, since ending a watch costs milliseconds; and a second look, so that nothing can
    // have appeared between the first one and the watch.
    begin_watch();
    socket = connect_seqpacket(path_, last_error_);
  }
  if (socket.valid()) {
    watch_.reset();
    directory_watch_ = -1;
    return socket;
  }
  schedule(now_ns);
  return {};
}

void BrokerFinder::lost(std::uint64_t now_ns) {
  schedule(now_ns);
  begin_watch();
}

void BrokerFinder::schedule(std::uint64_t now_ns) noexcept {
  const std::uint64_t limit = watch_.valid() ? kMaxBackOffWatched_ns : kMaxBackOff_ns;
  next_try_ns_ = now_ns + back_off_ns_;
  back_off_ns_ = back_off_ns_ == 0 ? kFirstBackOff_ns : std::min(back_off_ns_ * 2, limit);
}

void BrokerFinder::begin_watch() noexcept {
  if (directory_watch_ >= 0) return;
  if (!watch_.valid()) watch_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch_.valid() || ensure_socket_dir(dir_) != 0) return;
  // The broker renames a listening socket into place; IN_ATTRIB: its mode was changed in our
  // favour.
  directory_watch_ =
      ::inotify_add_watch(watch_.get(), dir_.c_str(),
                          IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_ONLYDIR);
}

void BrokerFinder::read_watch(std::uint64_t now_ns) noexcept {
  alignas(inotify_event) char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(watch_.get(), buffer, sizeof buffer);
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* name = buffer + at + sizeof event;
      at += static_cast<ssize_t>(sizeof event + event.len);
      if ((event.mask & (IN_IGNORED | IN_DELETE_SELF)) != 0) directory_watch_ = -1;
      if ((event.mask & IN_Q_OVERFLOW) != 0 || (event.len > 0 && file_ == name)) {
        next_try_ns_ = std::min(next_try_ns_, now_ns);
      }
    }
  }
}

}  // namespace framering
