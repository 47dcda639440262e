// SPDX-License-Identifier: Apache-2.0
#include "listeners.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace framering {

namespace {

constexpr int kBacklog = 256;
constexpr int kFirstPassedSocket = 3;  // SD_LISTEN_FDS_START

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + std::strerror(error));
}

}  // namespace

Listeners::Listeners(const std::string& dir, const SocketAccesses& accesses) : dir_(dir) {
  const int error = ensure_socket_dir(dir_);
  if (error != 0) fail("cannot make the socket directory " + dir_ + " (--socket-dir)", error);
  take_lock();
  adopt_passed_sockets();
  for (const Role role : kRoles) {
    if (fd(role) < 0) listen(role, accesses[static_cast<std::size_t>(role)]);
  }
}

Listeners::~Listeners() {
  for (const Role role : kRoles) {
    if (made_[static_cast<std::size_t>(role)]) ::unlink(socket_path(dir_, role).c_str());
  }
  // The lock file stays: removing it would let two brokers hold locks on two files of one name.
}

void Listeners::take_lock() {
  const std::string path = dir_ + "/broker.lock";
  lock_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_.valid()) fail("cannot open " + path, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail("cannot lock " + path, errno);
    char pid[32] = {};
    if (::pread(lock_.get(), pid, sizeof pid - 1, 0) <= 0) std::strcpy(pid, "unknown");
    throw std::runtime_error("another broker (pid " + std::string(pid) + ") serves " + dir_ +
                             "; stop it, or choose another directory with --socket-dir");
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock_.get(), 0) != 0 ||
      ::pwrite(lock_.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    fail("cannot write " + path, errno);
  }
}

void Listeners::adopt_passed_sockets() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  const char* names = std::getenv("LISTEN_FDNAMES");
  if (pid == nullptr || count == nullptr || names == nullptr) return;
  if (std::atol(pid) != static_cast<long>(::getpid())) return;
  const std::string list = names;
  std::size_t start = 0;
  for (int i = 0; i < std::atoi(count) && start <= list.size(); ++i) {
    const std::size_t end = std::min(list.find(':', start), list.size());
    const std::string name = list.substr(start, end - start);
    start = end + 1;
    const int socket = kFirstPassedSocket + i;
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    for (const Role role : kRoles) {
      if (name != to_string(role)) continue;
      int type = 0;
      socklen_t length = sizeof type;
      if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
          type != SOCK_SEQPACKET) {
        throw std::runtime_error("the passed socket '" + name +
                                 "' is not SOCK_SEQPACKET: use ListenSequentialPacket=");
      }
      ::fcntl(socket, F_SETFL, O_NONBLOCK);
      sockets_[static_cast<std::size_t>(role)].reset(socket);
    }
  }
}

void Listeners::listen(Role role, const SocketAccess& access) {
  const std::string path = socket_path(dir_, role);
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    throw std::runtime_error(path + " exists and is no socket; remove it");
  }
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (draft.size() >= sizeof address.sun_path) {
    throw std::runtime_error("the socket path " + draft + " is too long for a Unix socket (" +
                             std::to_string(sizeof address.sun_path - 1) +
                             " bytes); choose a shorter --socket-dir");
  }
  std::memcpy(address.sun_path, draft.c_str(), draft.size());

  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) fail("cannot make a socket", errno);
  const mode_t before = ::umask(0777);  // nobody gets in before mode and group are set
  const int bound =
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  ::umask(before);
  if (bound != 0) fail("cannot bind " + draft, bind_error);
  if (!access.group.empty()) {
    const group* members = ::getgrnam(access.group.c_str());
    if (members == nullptr) {
      throw std::runtime_error("--group: there is no group '" + access.group + "'");
    }
    if (::chown(draft.c_str(), static_cast<uid_t>(-1), members->gr_gid) != 0) {
      fail("cannot give " + draft + " to group " + access.group, errno);
    }
  }
  if (::chmod(draft.c_str(), access.mode) != 0) fail("cannot set the mode of " + draft, errno);
  if (::listen(socket.get(), kBacklog) != 0) fail("cannot listen on " + draft, errno);
  if (::rename(draft.c_str(), path.c_str()) != 0) fail("cannot rename " + draft, errno);
  const auto index = static_cast<std::size_t>(role);
  sockets_[index] = std::move(socket);
  made_[index] = true;
}

}  // namespace framering
