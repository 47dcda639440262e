// SPDX-License-Identifier: Apache-2.0
//
// One file being made: frames go in, and what the muxer makes of them goes to the storage.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "muxer.h"
#include "ring/frame.h"
#include "storage.h"
#include "summary.h"
#include "timeline.h"

namespace framering::recorder {

// What is the same for all frames of a file.
struct Format {
  Container container = Container::mp4;
  std::uint32_t codec = 0;
  std::uint32_t width = 0, height = 0;
  std::uint32_t time_base_num = 1, time_base_den = 1;
  std::uint64_t generation = 0;
  std::vector<std::byte> parameter_sets;

  bool operator==(const Format&) const = default;
};

class Segment {
 public:
  // Prepares a file for what was captured then; the first frame begins it. Throws
  // std::runtime_error if it cannot be one.
  Segment(Storage& storage, Format format, const std::string& title, std::uint64_t began_ns,
          std::int64_t trigger_ms);

  // In decoding order, from a key frame on. `now_ns` says when it came. Throws std::runtime_error.
  void add(const Frame& frame, std::uint64_t captured_ns, std::uint64_t now_ns);
  // So many frames before frame `before` are lost.
  void add_gap(std::uint64_t frames, std::uint64_t before);
  // Ends the fragment. Throws std::runtime_error.
  void flush();
  // Ends the file; `whole`: as its format wants it, else just as it is.
  void end(bool whole);

  // When what the muxer holds back must be flushed; 0: it holds nothing back.
  [[nodiscard]] std::uint64_t flush_due_ns() const noexcept;
  [[nodiscard]] const Format& format() const noexcept { return format_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t began_ns() const noexcept { return began_ns_; }
  [[nodiscard]] std::int64_t began_ms() const noexcept { return summary_.began_ms; }
  [[nodiscard]] std::uint64_t frames() const noexcept { return summary_.frames; }

 private:
  void hand_over(std::uint64_t through);

  Storage& storage_;
  const Format format_;
  const std::uint64_t began_ns_;
  Summary summary_;
  Timeline timeline_;
  Muxer muxer_;
  std::uint64_t bytes_ = 0;
  std::uint64_t held_since_ns_ = 0;  // the oldest frame that the muxer holds back came; 0: none
};

}  // namespace framering::recorder
