// SPDX-License-Identifier: Apache-2.0
//
// One Message for each SOCK_SEQPACKET datagram, descriptors beside it by SCM_RIGHTS. Never waits.
#pragma once

#include <capnp/serialize.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/descriptor_kind.h"
#include "control/disposer.h"
#include "control/message.h"
#include "ring/fd.h"

namespace framering {

// The room that messages are received into; one for a thread serves all its channels. What it holds
// is valid until the next receive. Its descriptors are harmless to close, but for sockets: in the
// queue of one anything may wait.
class Inbox {
 public:
  // A datagram longer than `bytes` is refused.
  explicit Inbox(std::size_t bytes = kMaxMessageBytes);
  ~Inbox() { clear(); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Every getter of a message may throw kj::Exception: its inner pointers are checked when
  // followed.
  [[nodiscard]] wire::Message::Reader message() const noexcept { return message_; }
  [[nodiscard]] std::size_t descriptors() const noexcept { return descriptor_count_; }
  // -1 when there is no such descriptor. Stays owned here; take() hands it over.
  [[nodiscard]] int descriptor(std::size_t index) const noexcept;
  [[nodiscard]] Fd take(std::size_t index) noexcept;
  // The descriptor at `index` is there and of this kind.
  [[nodiscard]] bool holds(std::size_t index, DescriptorKind kind) const noexcept;

 private:
  friend class Channel;
  void clear() noexcept;
  [[nodiscard]] bool adopt(msghdr& header) noexcept;
  [[nodiscard]] bool decode(std::size_t bytes) noexcept;

  kj::Array<capnp::word> words_;
  std::optional<capnp::FlatArrayMessageReader> reader_;
  wire::Message::Reader message_;
  std::array<Fd, kMaxDescriptors> descriptors_;
  std::array<DescriptorKind, kMaxDescriptors> kinds_{};
  std::size_t descriptor_count_ = 0;
  std::shared_ptr<Disposer> disposer_;  // of the channel that received
  std::uint32_t sender_ = 0;
};

enum class Received : std::uint8_t {
  message,  // in the inbox
  nothing,  // no datagram is waiting
  closed,   // the peer is gone
  bad,      // truncated, misshapen, or with too many descriptors or one of a foreign kind; or
            // out of memory
};

// Short of memory, no message is lost in silence: what cannot be sent closes the channel, and what
// was received but cannot be handled must make its receiver close it. Then the peer begins anew,
// while one that waits for the answer to a lost message would wait for ever.
class Channel {
 public:
  Channel() = default;
  // `disposer` closes what must not be closed here, at the expense of the peer's user `peer`. None:
  // the peer is trusted, or the caller can afford to hang.
  explicit Channel(Fd socket, std::shared_ptr<Disposer> disposer = {},
                   std::uint32_t peer = 0) noexcept
      : socket_(std::move(socket)), disposer_(std::move(disposer)), peer_(peer) {}
  Channel(Channel&&) = default;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel() { close(); }

  [[nodiscard]] bool is_open() const noexcept { return socket_.valid(); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  // Says that the socket is in this epoll set, which must outlive the channel.
  void watched_by(int epoll) noexcept { epoll_ = epoll; }
  // Takes it out of that set, as close() does.
  void unwatch() noexcept;
  void close() noexcept;

  // Sends, or queues while the peer's socket is full. False: nothing was sent. Then the channel is
  // closed, because the peer is gone, the queue (kMaxQueued) is full, or memory is short; or it is
  // still open, and this user has too many descriptors in sockets that nobody reads (ETOOMANYREFS,
  // unix(7)). The descriptors stay the caller's.
  bool send(Draft& draft, std::initializer_list<int> descriptors = {}) noexcept;
  // Sends a Refused with `text`, clipped to what a message may hold.
  bool refuse(std::uint32_t request, Reason reason, std::string_view text) noexcept;
  // Sends what is queued, as far as the socket takes it. Call when writable. False: closed.
  bool flush() noexcept;
  [[nodiscard]] bool wants_to_write() const noexcept { return !queue_.empty(); }

  [[nodiscard]] Received receive(Inbox& inbox) noexcept;

  static constexpr std::size_t kMaxQueued = 64;  // messages; one more closes the channel

 private:
  struct Outgoing {
    kj::Array<capnp::word> words;
    std::array<Fd, kMaxDescriptors> descriptors;
    std::size_t descriptor_count = 0;
  };

  Fd socket_;
  int epoll_ = -1;
  std::vector<Outgoing> queue_;
  std::shared_ptr<Disposer> disposer_;
  std::uint32_t peer_ = 0;
};

}  // namespace framering
