// SPDX-License-Identifier: Apache-2.0
//
// Where the broker's sockets are, how to connect to one, and who is at the other end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ring/fd.h"

namespace framering {

// The broker has one socket for each role, so that file modes decide who may play which.
enum class Role : std::uint8_t { producer, consumer, operator_ };
inline constexpr Role kRoles[] = {Role::producer, Role::consumer, Role::operator_};
[[nodiscard]] const char* to_string(Role role) noexcept;

// `argument` if not empty, else $FRAMERING_DIR, else /run/framering.
[[nodiscard]] std::string resolve_socket_dir(const std::string& argument);
// Makes the directory (0755) and its parents when absent. Returns 0 or an errno.
[[nodiscard]] int ensure_socket_dir(const std::string& dir) noexcept;
// DIR/producer.sock, DIR/consumer.sock, DIR/operator.sock.
[[nodiscard]] std::string socket_path(const std::string& dir, Role role);

// Non-blocking SOCK_SEQPACKET socket connected to `path`. Invalid: `error` gets the errno
// (EAGAIN: somebody listens, but its queue is full).
[[nodiscard]] Fd connect_seqpacket(const std::string& path, int& error) noexcept;

// Who connected, as the kernel noted it at connect(2).
struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  std::vector<gid_t> groups;  // supplementary (SO_PEERGROUPS)

  [[nodiscard]] bool in_group(gid_t group) const noexcept;
};
// False: the peer is unknown, and must be refused.
[[nodiscard]] bool peer_of(int socket, Peer& peer);
// A descriptor that becomes readable when the process that connected ends, even if a child of it
// still holds the socket. Invalid: not to be had, `error` says why (ESRCH: it has ended already).
[[nodiscard]] Fd pidfd_of(int socket, pid_t pid, int& error) noexcept;

}  // namespace framering
