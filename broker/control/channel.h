// SPDX-License-Identifier: Apache-2.0
//
// One Message for each SOCK_SEQPACKET datagram, descriptors beside it by SCM_RIGHTS. Never waits.
#pragma once

#include <capnp/serialize.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/message.h"
#include "ring/fd.h"

namespace framering {

// The room that messages are received into; one for a thread serves all its channels. What it holds
// is valid until the next receive.
class Inbox {
 public:
  // A datagram longer than `bytes` is refused.
  explicit Inbox(std::size_t bytes = kMaxMessageBytes);

  // Every getter of a message may throw kj::Exception: its inner pointers are checked when
  // followed.
  [[nodiscard]] wire::Message::Reader message() const noexcept { return message_; }
  [[nodiscard]] std::size_t descriptors() const noexcept { return descriptor_count_; }
  // -1 when there is no such descriptor. Stays owned here; take() hands it over.
  [[nodiscard]] int descriptor(std::size_t index) const noexcept;
  [[nodiscard]] Fd take(std::size_t index) noexcept;

 private:
  friend class Channel;
  void clear() noexcept;

  kj::Array<capnp::word> words_;
  std::optional<capnp::FlatArrayMessageReader> reader_;
  wire::Message::Reader message_;
  std::array<Fd, kMaxDescriptors> descriptors_;
  std::size_t descriptor_count_ = 0;
};

enum class Received : std::uint8_t {
  message,  // in the inbox
  nothing,  // no datagram is waiting
  closed,   // the peer is gone
  bad,      // truncated, misshapen or with too many descriptors; all of those were closed
};

class Channel {
 public:
  Channel() = default;
  explicit Channel(Fd socket) noexcept : socket_(std::move(socket)) {}

  [[nodiscard]] bool is_open() const noexcept { return socket_.valid(); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  void close() noexcept;

  // Sends, or queues while the peer's socket is full. False: the channel is closed, because the
  // peer is gone or the queue (kMaxQueued) is full. The descriptors stay the caller's.
  bool send(Draft& draft, std::initializer_list<int> descriptors = {});
  // Sends a Refused with `text`, clipped to what a message may hold.
  bool refuse(std::uint32_t request, Reason reason, std::string_view text);
  // Sends what is queued, as far as the socket takes it. Call when writable. False: closed.
  bool flush();
  [[nodiscard]] bool wants_to_write() const noexcept { return !queue_.empty(); }

  [[nodiscard]] Received receive(Inbox& inbox);

  static constexpr std::size_t kMaxQueued = 64;  // messages; one more closes the channel

 private:
  struct Outgoing {
    kj::Array<capnp::word> words;
    std::array<Fd, kMaxDescriptors> descriptors;
    std::size_t descriptor_count = 0;
  };

  Fd socket_;
  std::vector<Outgoing> queue_;
};

}  // namespace framering
