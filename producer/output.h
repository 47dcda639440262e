// SPDX-License-Identifier: Apache-2.0
//
// One stream of a source, on its way into the ring: what the readers want of it, its parameter
// sets, its state, and what happens to a frame that does not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "control/stream_writer.h"
#include "key_request_arbiter.h"
#include "sources/nal.h"

namespace framering {

// Everything is for the pipeline thread.
class Output {
 public:
  using Bytes = std::span<const std::byte>;

  enum class Published : std::uint8_t {
    yes,
    too_large,      // counted and skipped
    waits_for_key,  // skipped: it refers to a picture that was skipped, or never was
    no_picture,     // there is no slice in it
  };

  explicit Output(const WriterOptions& options);

  // Looks at what the readers want; costs little when called often.
  void look_at_demand(std::uint64_t now_ns);
  [[nodiscard]] const Demand& demand() const noexcept { return demand_; }
  [[nodiscard]] bool wanted() const noexcept { return demand_.wanting > 0; }

  // Publishes one coded picture (codec H.264, H.265 or MJPEG) that lies in one or several pieces:
  // one copy, front to back. The pieces are only read, and looked into up to the first slice. Fills
  // in the flags, the parameter set and, when the picture tells, its size.
  Published publish(std::span<const Bytes> pieces, FrameMeta meta) noexcept;
  // For sources that write into the ring themselves: a span of `bytes`, empty when too large.
  [[nodiscard]] std::span<std::byte> reserve(std::size_t bytes) noexcept;
  void commit(std::size_t bytes, const FrameMeta& meta) noexcept;
  // A picture of this size was skipped before it came here, as too large to be held.
  void skipped(std::size_t bytes) noexcept;

  // The next frame does not follow from the one before it (new encoder, start of a loop).
  void mark_discontinuity() noexcept { discontinuity_ = true; }
  void ask_for_key() noexcept { arbiter_.ask(); }
  // True: the encoder shall make a key frame now. Not more than two a second, and none in a loop
  // while key frames do not fit.
  [[nodiscard]] bool take_key_request(std::uint64_t now_ns) noexcept;
  void count_key_request_granted() noexcept { writer_->count_key_request_granted(); }
  // Key frames do not fit the ring: quality must go down. True once for each that did not.
  [[nodiscard]] bool take_quality_complaint() noexcept;

  void set_state(SourceState state) noexcept;  // of the source; too large a frame overrules live
  [[nodiscard]] SourceState state() const noexcept { return state_; }
  void heartbeat() noexcept { writer_->heartbeat(); }
  // Watchdog thread: the source hangs and cannot say so itself.
  void tell_stuck() noexcept { writer_->overrule_state(SourceState::encoder_error); }

  // Wanted, and nothing known that would keep pictures from coming.
  [[nodiscard]] bool owes_pictures() const noexcept;
  [[nodiscard]] std::uint64_t pictures() const noexcept { return pictures_; }
  [[nodiscard]] std::uint64_t next_number() const noexcept { return writer_->head() + 1; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t max_frame_bytes() const noexcept { return max_frame_bytes_; }
  [[nodiscard]] bool announced() const noexcept { return writer_->announced(); }
  [[nodiscard]] std::string refusal() const { return writer_->refusal(); }
  [[nodiscard]] int nudge_fd() const noexcept { return writer_->nudge_fd(); }
  void take_nudge() { (void)writer_->wait_for_nudge(std::chrono::nanoseconds(0)); }

 private:
  [[nodiscard]] PictureFacts inspect(std::span<const Bytes> pieces) noexcept;
  void take_parameter_sets(const ParameterSets& sets) noexcept;
  void frame_did_not_fit(bool key) noexcept;
  [[nodiscard]] bool key_frame_held() const noexcept;
  void publish_state() noexcept;

  const std::string name_;
  const std::uint32_t codec_;
  const bool inter_coded_;
  const std::uint64_t history_bytes_;
  const std::uint64_t slot_count_;
  const std::size_t max_frame_bytes_;
  std::unique_ptr<StreamWriter> writer_;

  Demand demand_;
  std::uint64_t looked_ns_ = 0;
  std::uint64_t key_requests_seen_ = 0;
  KeyRequestArbiter arbiter_;

  ParameterSets parameters_;  // the newest that have an SPS
  std::uint64_t parameter_set_ = 0;
  std::uint32_t width_ = 0, height_ = 0;  // of the newest SPS
  bool waits_for_key_;
  bool discontinuity_ = false;
  std::uint64_t bytes_since_key_ = UINT64_MAX / 2;  // the key frame included, as the arena counts
  std::uint64_t frames_since_key_ = UINT64_MAX / 2;
  std::uint64_t pictures_ = 0;

  SourceState state_ = SourceState::starting;
  std::uint32_t too_large_in_a_row_ = 0;  // key frames; 1: asked for another, 2: it is hopeless
  bool complaint_ = false;
};

}  // namespace framering
