// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/core/tcp_stream.hpp>
#include <cstddef>
#include <optional>
#include <utility>

namespace framering::websocket {

// A place among the connections that the server takes; free again when destroyed.
class ConnectionTicket {
 public:
  explicit ConnectionTicket(std::size_t& open) : open_(&open) { ++open; }
  ConnectionTicket(ConnectionTicket&& other) noexcept
      : open_(std::exchange(other.open_, nullptr)) {}
  ConnectionTicket& operator=(ConnectionTicket&&) = delete;
  ~ConnectionTicket() {
    if (open_ != nullptr) --*open_;
  }

 private:
  std::size_t* open_;
};

// Counts what is open, against a limit. Must outlive its tickets; one thread.
class ConnectionLimit {
 public:
  explicit ConnectionLimit(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] std::optional<ConnectionTicket> take() {
    if (open_ >= limit_) return std::nullopt;
    return ConnectionTicket(open_);
  }
  [[nodiscard]] std::size_t open() const noexcept { return open_; }

 private:
  const std::size_t limit_;
  std::size_t open_ = 0;
};

// One peer, handed from the HTTP session to the session that its request asks for.
struct Connection {
  boost::beast::tcp_stream stream;
  ConnectionTicket ticket;
};

}  // namespace framering::websocket
