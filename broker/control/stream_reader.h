// SPDX-License-Identifier: Apache-2.0
//
// Reads one stream of a broker, whatever happens to the broker and the producer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ring/frame.h"

namespace framering {

class ForeignSegment;

struct ReaderOptions {
  std::string stream;
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  std::string name;        // shown by `framering top`; empty: the program's name
  Policy policy = Policy::live;
  Start start = Start::key;
  Bell bell = Bell::futex;           // eventfd or line: for event loops, see event_fd()
  std::uint32_t max_lag_frames = 0;  // `live`: jump to a key frame when further behind; 0 = never
  // Be awake shortly before each frame is due, for a fraction of the latency at up to 2 % of a
  // core. Switches itself off while that does not work out. Only with Bell::futex.
  bool predictive = false;
  bool demand = true;  // false: attach without asking the producer for frames yet
};

enum class ReadResult : std::uint8_t {
  frame,          // a frame was handed out
  timeout,        // nothing new within the time given
  state_changed,  // see StreamReader::state(); nothing was read
  ended,    // the producer has finished and everything was read; a later call reads its successor
  refused,  // the broker refuses for good (access, version); see StreamReader::refusal()
};

// What a reader's owner can tell its user about the stream.
enum class Link : std::uint8_t {
  no_broker,  // trying to connect
  no_stream,  // connected; nobody produces this stream yet
  attached,   // see SourceState
};

// Not thread-safe: one thread at a time, except where a function says otherwise. Attaches by
// itself, again after the broker's restart (without losing a frame) and to the next generation
// after the producer's. The frame path (next, lease) does not allocate, throw or log once attached.
class StreamReader {
 public:
  // Makes the reader page and begins to connect; returns at once, whether or not a broker runs.
  // Throws std::system_error if the page cannot be made, std::invalid_argument on a bad stream
  // name.
  explicit StreamReader(const ReaderOptions& options);
  ~StreamReader();
  StreamReader(StreamReader&&) noexcept;
  StreamReader& operator=(StreamReader&&) noexcept;

  // Copies the next frame, by the policy, into a buffer owned here. The bytes are whole: verified
  // after copying. Waits at most `timeout` (0: not at all; negative: for ever, but signals
  // interrupt: EINTR gives ReadResult::timeout).
  [[nodiscard]] ReadResult next(Frame& frame, std::chrono::nanoseconds timeout);

  // The same into the caller's memory. Nothing: `into` is too small for frame.bytes.size() bytes,
  // and the frame is still the next one.
  [[nodiscard]] std::optional<ReadResult> next_into(Frame& frame, std::span<std::byte> into,
                                                    std::chrono::nanoseconds timeout);

  // The same without a copy: the bytes lie in the ring and are protected until `release`. The
  // producer may revoke a lease that stands in its way: call `lease_valid` after using the bytes
  // and before trusting the result. Holds one lease at a time for each call without a release, at
  // most the ring's lease cells. When no lease can be had (not yet attached, all cells in use),
  // hands out a copy instead; release and lease_valid work for it all the same.
  [[nodiscard]] ReadResult lease_next(Frame& frame, std::chrono::nanoseconds timeout);
  [[nodiscard]] bool lease_valid(
      const Frame& frame) noexcept;  // false: revoked, throw the result away
  void release(const Frame& frame) noexcept;
  // The ring that is read now, in which the frames of lease_next lie unless they are copies. For
  // those who cannot know how long a pointer into a frame lives on: what it points to may be
  // overwritten once the lease is released, but stays mapped. Null: there is none.
  [[nodiscard]] std::shared_ptr<const ForeignSegment> memory() const noexcept;

  // For event loops: readable when there is something to do; then call next(frame, 0) until it
  // returns timeout. One descriptor for the reader's whole life. With Bell::futex it does not show
  // new frames.
  [[nodiscard]] int event_fd() const noexcept;

  // Wishes to the producer. Any thread may call request_key_frame; the rest only the owner.
  void request_key_frame() noexcept;
  void set_demand(bool wants_frames) noexcept;
  // What waits behind this reader, and what its viewers can take (0 = no opinion).
  void report_backlog(std::uint32_t frames, std::uint32_t bytes, std::uint32_t kbps) noexcept;

  // Goes to the newest key frame held (false: none is held) or changes the policy, from here on.
  bool jump_to_newest_key() noexcept;
  // Goes to key frame `number` of the ring that is read, back or on: whoever finds out late what
  // was worth keeping reads it again. False: it is no longer kept, or is no key frame; nothing
  // changes. Frames that are read twice count twice as delivered.
  bool go_to_key(std::uint64_t number) noexcept;
  void set_policy(Policy policy) noexcept;

  [[nodiscard]] Link link() const noexcept;
  [[nodiscard]] SourceState state() const noexcept;  // of the source; starting while not attached
  [[nodiscard]] ReadCounts counts() const noexcept;
  [[nodiscard]] std::uint64_t generation() const noexcept;  // 0 while not attached
  [[nodiscard]] std::uint64_t head() const noexcept;        // newest frame published; 0 = none
  [[nodiscard]] std::uint32_t codec() const noexcept;       // kCodec...; 0 while not attached
  [[nodiscard]] std::uint32_t time_base_num() const noexcept;
  [[nodiscard]] std::uint32_t time_base_den() const noexcept;
  // How much of the past the ring keeps: at most so many bytes, and so many frames. 0 as above.
  [[nodiscard]] std::uint64_t history_bytes() const noexcept;
  [[nodiscard]] std::uint32_t history_frames() const noexcept;
  // Copy of parameter set `number` (FrameMeta::parameter_set), Annex-B; empty when no longer kept.
  [[nodiscard]] std::vector<std::byte> parameter_set(std::uint64_t number) const;
  [[nodiscard]] const std::string& refusal() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace framering
