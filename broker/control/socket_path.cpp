// SPDX-License-Identifier: Apache-2.0
#include "control/socket_path.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace framering {

namespace {
constexpr int kSoPeerPidfd = 77;  // SO_PEERPIDFD, Linux 6.5; older headers do not name it
}

const char* to_string(Role role) noexcept {
  switch (role) {
    case Role::producer:
      return "producer";
    case Role::consumer:
      return "consumer";
    case Role::operator_:
      return "operator";
  }
  return "unknown";
}

std::string resolve_socket_dir(const std::string& argument) {
  if (!argument.empty()) return argument;
  const char* from_environment = std::getenv("FRAMERING_DIR");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return "/run/framering";
}

int ensure_socket_dir(const std::string& dir) noexcept {
  char path[PATH_MAX];
  if (dir.size() >= sizeof path) return ENAMETOOLONG;
  std::memcpy(path, dir.c_str(), dir.size() + 1);
  for (std::size_t at = 1; at <= dir.size(); ++at) {
    if (path[at] != '/' && path[at] != '\0') continue;
    const char kept = path[at];
    path[at] = '\0';
    if (::mkdir(path, 0755) != 0 && errno != EEXIST) return errno;
    path[at] = kept;
  }
  struct stat info {};
  if (::stat(dir.c_str(), &info) != 0) return errno;
  return S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
}

std::string socket_path(const std::string& dir, Role role) {
  return dir + '/' + to_string(role) + ".sock";
}

Fd connect_seqpacket(const std::string& path, int& error) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    error = ENAMETOOLONG;
    return {};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid() ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    error = errno;
    return {};
  }
  error = 0;
  return socket;
}

bool Peer::in_group(gid_t group) const noexcept {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

bool peer_of(int socket, Peer& peer) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return false;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
  peer.groups.clear();
  length = 0;  // asks for the length first: the kernel answers ERANGE and tells it
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) == 0 || errno != ERANGE) {
    return true;
  }
  peer.groups.resize(length / sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &length) != 0) {
    peer.groups.clear();
  }
  return true;
}

Fd pidfd_of(int socket, pid_t pid, int& error) noexcept {
  int descriptor = -1;
  socklen_t length = sizeof descriptor;
  error = 0;
  if (::getsockopt(socket, SOL_SOCKET, kSoPeerPidfd, &descriptor, &length) == 0) {
    return Fd(descriptor);
  }
  if (errno == ENOPROTOOPT) {
    descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (descriptor >= 0) return Fd(descriptor);
  }
  error = errno;
  return {};
}

}  // namespace framering
