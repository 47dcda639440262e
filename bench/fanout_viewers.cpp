// SPDX-License-Identifier: Apache-2.0
#include "fanout_viewers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "ring/clock.h"

namespace framering::bench {

namespace {

constexpr std::uint64_t kPatience_ns = 10'000'000'000;
constexpr int kNap_ms = 5;
// Masked, as a client's has to be, with nothing in it: whoever says nothing for long is sent away.
constexpr std::array<unsigned char, 6> kPong = {0x8a, 0x80};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

Fd tcp_socket() {
  return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

}  // namespace

std::uint16_t free_port() {
  const Fd probe = tcp_socket();
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(probe.get(), generic, size) != 0 || ::getsockname(probe.get(), generic, &size) != 0)
    fail("a free port");
  return ntohs(address.sin_port);
}

FanoutViewer::FanoutViewer(std::uint16_t port, const std::string& path) : fd_(tcp_socket()) {
  const sockaddr_in address = loopback(port);
  const std::uint64_t give_up = monotonic_ns() + kPatience_ns;
  while (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (monotonic_ns() > give_up) fail("connect to the server");
    ::usleep(20'000);
    fd_ = tcp_socket();
  }
  const std::string request = "GET " + path +
                              " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) fail("ask");
  read_answer();
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
}

void FanoutViewer::read_answer() {
  std::string answer;
  char letter = 0;
  while (!answer.ends_with("\r\n\r\n")) {
    if (::recv(fd_.get(), &letter, 1, 0) != 1) throw std::runtime_error("no answer");
    answer.push_back(letter);
  }
  if (!answer.starts_with("HTTP/1.1 101")) throw std::runtime_error(answer);
}

std::uint64_t FanoutViewer::take() {
  for (std::uint64_t ended = 0;;) {
    const bool in_head = left_ == 0;
    const ssize_t got = in_head ? ::recv(fd_.get(), head_.data() + have_, need_ - have_, 0)
                                : ::recv(fd_.get(), nullptr, left_, MSG_TRUNC);
    if (got == 0) throw std::runtime_error("the server closed a viewer's connection");
    if (got < 0) return ended;
    if (in_head) {
      have_ += static_cast<std::size_t>(got);
      parse_head();
    } else {
      left_ -= static_cast<std::size_t>(got);
      if (left_ == 0 && !is_control()) ++ended;
    }
  }
}

void FanoutViewer::parse_head() {
  if (have_ < need_) return;
  const unsigned size = head_[1] & 127U;
  const std::size_t whole = size == 127 ? 10 : size == 126 ? 4 : 2;
  if (need_ < whole) {
    need_ = whole;
    return;
  }
  left_ = size;
  if (size >= 126) {
    left_ = 0;
    for (std::size_t at = 2; at < whole; ++at) left_ = left_ << 8 | head_.at(at);
  }
  have_ = 0;
  need_ = 2;
  if (is_ping()) static_cast<void>(::send(fd_.get(), kPong.data(), kPong.size(), MSG_NOSIGNAL));
}

Crowd::Crowd(std::uint16_t port, const std::string& path, std::size_t count)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  viewers_.reserve(count);  // epoll keeps their addresses
  for (std::size_t n = 0; n < count; ++n) {
    viewers_.emplace_back(port, path);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &viewers_.back()}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, viewers_.back().fd(), &event) != 0) fail("epoll");
  }
}

void Crowd::watch(std::uint64_t until_ns, std::uint64_t enough) {
  std::array<epoll_event, 64> events{};
  while (taken_ < enough && monotonic_ns() < until_ns) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kNap_ms);
    for (int n = 0; n < count; ++n)
      taken_ += static_cast<FanoutViewer*>(events.at(static_cast<std::size_t>(n)).data.ptr)->take();
  }
}

}  // namespace framering::bench
