// SPDX-License-Identifier: Apache-2.0
//
// Finds the broker when it is not there: an inotify watch tells within milliseconds that a socket
// has appeared; a back-off covers what the watch cannot see.
#pragma once

#include <cstdint>
#include <string>

#include "control/socket_path.h"
#include "ring/fd.h"

namespace framering {

class BrokerFinder {
 public:
  BrokerFinder(std::string dir, Role role);

  // Connects if a try is due. Invalid: not now; look again at next_try_ns() or when watch_fd() is
  // readable. A connection ends the watch (inotify instances are scarce: 128 a user).
  [[nodiscard]] Fd connect(std::uint64_t now_ns);
  // The connection failed or was lost; begins to search. The next try is due after the back-off.
  void lost(std::uint64_t now_ns);
  // The broker has accepted what was asked of it: the next loss is searched for at once.
  void succeeded() noexcept { back_off_ns_ = 0; }

  // Reads the watch; a socket that appeared makes a try due.
  void read_watch(std::uint64_t now_ns) noexcept;
  [[nodiscard]] int watch_fd() const noexcept { return watch_.get(); }  // -1: none
  [[nodiscard]] std::uint64_t next_try_ns() const noexcept { return next_try_ns_; }
  [[nodiscard]] int last_error() const noexcept { return last_error_; }  // errno of the last try

 private:
  void begin_watch() noexcept;
  void schedule(std::uint64_t now_ns) noexcept;

  const std::string dir_;
  const std::string path_;
  const std::string file_;  // its last part
  Fd watch_;
  int directory_watch_ = -1;
  int last_error_ = 0;
  std::uint64_t next_try_ns_ = 0;
  std::uint64_t back_off_ns_ = 0;
};

}  // namespace framering
