// SPDX-License-Identifier: Apache-2.0
//
// Viewers of a WebSocket that look at nothing: they take bytes and throw them away in the kernel
// (MSG_TRUNC), so that most of the machine is left to the server.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ring/fd.h"

namespace framering::bench {

// One connection to 127.0.0.1; counts messages, and answers pings.
class FanoutViewer {
 public:
  // Waits for the server if it is not there yet. Throws if it answers something else than an
  // upgrade.
  FanoutViewer(std::uint16_t port, const std::string& path);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  // Takes everything that is there. How many messages ended. Throws when the server closes.
  std::uint64_t take();

 private:
  void read_answer();
  void parse_head();
  [[nodiscard]] bool is_control() const noexcept { return (head_[0] & 8U) != 0; }
  [[nodiscard]] bool is_ping() const noexcept { return (head_[0] & 15U) == 9; }

  Fd fd_;
  std::array<unsigned char, 10> head_{};
  std::size_t have_ = 0, need_ = 2;  // bytes of the head
  std::size_t left_ = 0;             // bytes of the payload
};

class Crowd {
 public:
  Crowd(std::uint16_t port, const std::string& path, std::size_t count);

  [[nodiscard]] std::size_t size() const noexcept { return viewers_.size(); }
  // Messages, by all of them together.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  // Takes what comes until then (CLOCK_MONOTONIC), or until `enough` was taken.
  void watch(std::uint64_t until_ns, std::uint64_t enough = UINT64_MAX);

 private:
  Fd epoll_;
  std::vector<FanoutViewer> viewers_;
  std::uint64_t taken_ = 0;
};

// A port of 127.0.0.1 that nobody listens on.
[[nodiscard]] std::uint16_t free_port();

}  // namespace framering::bench
