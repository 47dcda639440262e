// SPDX-License-Identifier: Apache-2.0
#include "control_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

namespace kvm_standin {
namespace {

constexpr size_t kMaxCommandBytes = 256;

int bind_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw std::system_error(ENAMETOOLONG, std::generic_category(), path);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "control socket");
  unlink(path.c_str());
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    close(fd);
    throw std::system_error(error, std::generic_category(), path);
  }
  return fd;
}

}  // namespace

ControlSocket::ControlSocket(std::string path, Handler handler)
    : path_(std::move(path)),
      handler_(std::move(handler)),
      socket_fd_(bind_to(path_)),
      stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  // The host's signals are the host's: this thread takes none of them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ControlSocket::~ControlSocket() {
  eventfd_write(stop_fd_, 1);
  thread_.join();
  close(socket_fd_);
  close(stop_fd_);
  unlink(path_.c_str());
}

void ControlSocket::run() {
  std::array<pollfd, 2> waited{{{socket_fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
  while (true) {
    if (poll(waited.data(), waited.size(), -1) < 0) continue;
    if (waited[1].revents != 0) return;
    answer_one();
  }
}

void ControlSocket::answer_one() {
  std::array<char, kMaxCommandBytes> command{};
  sockaddr_un sender{};
  socklen_t sender_bytes = sizeof sender;
  const ssize_t bytes = recvfrom(socket_fd_, command.data(), command.size(), MSG_DONTWAIT,
                                 reinterpret_cast<sockaddr*>(&sender), &sender_bytes);
  if (bytes < 0) return;
  const std::string problem =
      handler_(std::string_view(command.data(), static_cast<size_t>(bytes)));
  const std::string answer = problem.empty() ? "ok" : "error: " + problem;
  if (sender_bytes > sizeof(sa_family_t)) {
    sendto(socket_fd_, answer.data(), answer.size(), MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&sender), sender_bytes);
  }
}

}  // namespace kvm_standin
