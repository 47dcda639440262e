// SPDX-License-Identifier: Apache-2.0
//
// The broker's three listening sockets and the lock that keeps a second broker out of the
// directory.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "control/socket_path.h"
#include "ring/fd.h"

namespace framering {

// Access to one socket file.
struct SocketAccess {
  mode_t mode = 0600;
  std::string group;  // empty: the broker's own
};
using SocketAccesses = std::array<SocketAccess, std::size(kRoles)>;  // by Role

class Listeners {
 public:
  // Takes DIR/broker.lock, replaces socket files that a dead broker left, listens. A socket appears
  // under its name only when it listens and has its mode (it is renamed into place), so nobody
  // meets a half-made one. Sockets handed over by a service manager (sd_listen_fds(3); named
  // producer, consumer, operator) are used instead. Throws std::runtime_error with a sentence.
  Listeners(const std::string& dir, const SocketAccesses& accesses);
  // Removes the socket files it made.
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  [[nodiscard]] int fd(Role role) const noexcept {
    return sockets_[static_cast<std::size_t>(role)].get();
  }

 private:
  void take_lock();
  void adopt_passed_sockets();
  void listen(Role role, const SocketAccess& access);

  const std::string dir_;
  Fd lock_;
  std::array<Fd, std::size(kRoles)> sockets_;
  std::array<bool, std::size(kRoles)> made_{};  // here, not handed over
};

}  // namespace framering
