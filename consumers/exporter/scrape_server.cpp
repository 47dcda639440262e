// SPDX-License-Identifier: Apache-2.0
#include "scrape_server.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "ring/clock.h"

namespace framering::exporter {
namespace {

constexpr std::uint64_t kPatience_ns = 1'000'000'000;
constexpr std::size_t kLongestRequest = 8192;
constexpr int kFirstPassedSocket = 3;  // SD_LISTEN_FDS_START
constexpr std::string_view kType = "text/plain; version=0.0.4; charset=utf-8";

[[noreturn]] void fail(const std::string& address, const std::string& why) {
  throw std::runtime_error("--listen " + address + ": " + why);
}

bool was_handed_a_socket() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  return pid != nullptr && count != nullptr && std::atol(pid) == static_cast<long>(::getpid()) &&
         std::atoi(count) > 0;
}

std::string name_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  std::array<char, 64> host{}, port{};
  if (::getsockname(socket, raw, &length) != 0 ||
      ::getnameinfo(raw, length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "a socket";
  }
  const std::string name = host.data();
  return (address.ss_family == AF_INET6 ? "[" + name + "]" : name) + ":" + port.data();
}

bool await(int socket, short events, std::uint64_t deadline_ns) noexcept {
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns >= deadline_ns) return false;
  pollfd watched{socket, events, 0};
  return ::poll(&watched, 1, static_cast<int>((deadline_ns - now_ns) / 1'000'000) + 1) > 0;
}

}  // namespace

ScrapeServer::ScrapeServer(const std::string& address) {
  if (was_handed_a_socket()) {
    listener_.reset(kFirstPassedSocket);
    ::fcntl(listener_.get(), F_SETFD, FD_CLOEXEC);
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  } else {
    listen(address);
  }
  address_ = name_of(listener_.get());
}

void ScrapeServer::listen(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) fail(address, "it takes ADDRESS:PORT, as 127.0.0.1:9464");
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  const int error = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (error != 0) fail(address, std::string(::gai_strerror(error)) + "; as 127.0.0.1:9464");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
  listener_.reset(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (!listener_.valid() ||
      ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener_.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(listener_.get(), 16) != 0) {
    fail(address, std::strerror(errno));
  }
}

bool ScrapeServer::serve(const std::function<std::string()>& page) {
  const Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) {
    // Out of descriptors, say: the connection stays where it is.
    if (errno != EAGAIN && errno != ECONNABORTED) ::usleep(100'000);
    return false;
  }
  const std::uint64_t deadline_ns = monotonic_ns() + kPatience_ns;
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos) {
    std::array<char, 1024> part;
    if (request.size() > kLongestRequest || !await(connection.get(), POLLIN, deadline_ns)) {
      return false;
    }
    const ssize_t count = ::recv(connection.get(), part.data(), part.size(), 0);
    if (count <= 0) return false;
    request.append(part.data(), static_cast<std::size_t>(count));
  }
  const bool asked = request.starts_with("GET /metrics ") || request.starts_with("GET /metrics?");
  const std::string body = asked ? page() : "framering-exporter: see /metrics\n";
  const std::string text = std::string("HTTP/1.1 ") + (asked ? "200 OK" : "404 Not Found") +
                           "\r\nContent-Type: " + std::string(kType) +
                           "\r\nContent-Length: " + std::to_string(body.size()) +
                           "\r\nConnection: close\r\n\r\n" + body;
  const std::uint64_t send_by_ns = monotonic_ns() + kPatience_ns;
  for (std::string_view left = text; !left.empty();) {
    if (!await(connection.get(), POLLOUT, send_by_ns)) return false;
    const ssize_t count = ::send(connection.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    left.remove_prefix(static_cast<std::size_t>(count));
  }
  ::shutdown(connection.get(), SHUT_WR);
  return asked;
}

}  // namespace framering::exporter
