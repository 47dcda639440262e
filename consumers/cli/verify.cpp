// SPDX-License-Identifier: Apache-2.0
#include "verify.h"

#include <algorithm>
#include <cmath>

namespace framering::cli {

CheckedFrame check_frame(const Frame& frame) noexcept {
  CheckedFrame checked;
  checked.generation = frame.generation;
  checked.number = frame.number;
  checked.lost_before = frame.lost_before;
  checked.key = frame.key();
  checked.bytes = frame.bytes.size();
  checked.fault = check_pattern(frame.bytes, checked.payload_number);
  return checked;
}

void Verifier::take(const CheckedFrame& frame) noexcept {
  if (generations_ == 0) {
    first_ns_ = frame.now_ns;
    first_ = frame.number;
  } else {
    max_gap_ns_ = std::max(max_gap_ns_, frame.now_ns - last_ns_);
  }
  last_ns_ = frame.now_ns;

  told_ += frame.lost_before;
  if (generations_ == 0 || frame.generation != generation_) {
    ++generations_;
    generation_ = frame.generation;
    published_ += 1;
    told_between_ += frame.lost_before;
    first_key_ = first_key_ && frame.key;
    last_ = frame.number;
  } else if (frame.number <= last_) {
    ++wrong_order_;
  } else {
    const std::uint64_t step = frame.number - last_;
    published_ += step;
    if (frame.lost_before != step - 1) ++miscounted_;
    last_ = frame.number;
  }

  if (frame.revoked) {
    ++revoked_;
  } else if (frame.fault != PatternFault::none || frame.payload_number != frame.number) {
    ++torn_;
  } else {
    ++delivered_;
    bytes_ += frame.bytes;
  }
}

void Verifier::finish(const ReadCounts& counts) noexcept {
  counts_ = counts;
}

// Every published number is accounted for: it was handed out, or the reader counted it as lost. The
// reader may have counted losses that no later frame has told yet, never fewer than it told.
bool Verifier::balanced() const noexcept {
  const std::uint64_t told_within = told_ - told_between_;
  return counts_.lost() >= told_ && published_ == frames() + told_within;
}

bool Verifier::good() const noexcept {
  return torn_ == 0 && wrong_order_ == 0 && miscounted_ == 0 && balanced();
}

nlohmann::ordered_json Verifier::report() const {
  const auto milliseconds = [](std::uint64_t ns) {
    return std::round(static_cast<double>(ns) / 1000) / 1000;
  };
  // Losses outside the span from each generation's first frame to its last: before a generation's
  // first frame, or after the newest frame.
  const std::uint64_t outside = counts_.lost() - std::min(counts_.lost(), told_ - told_between_);
  nlohmann::ordered_json first_frame_ms;  // null: none came
  if (generations_ != 0) first_frame_ms = milliseconds(first_ns_ - started_ns_);
  return {{"delivered", delivered_},
          {"lost", counts_.lost() + revoked_},
          {"torn", torn_},
          {"wrong_order", wrong_order_},
          {"miscounted", miscounted_},
          {"balanced", balanced()},
          {"revoked", revoked_},
          {"lost_lapped", counts_.lost_lapped},
          {"lost_skipped", counts_.lost_skipped},
          {"lost_undecodable", counts_.lost_undecodable},
          {"generations", generations_},
          {"first", first_},
          {"last", last_},
          {"published_after_first", published_ + outside},
          {"first_key", first_key_ && generations_ > 0},
          {"first_frame_ms", first_frame_ms},
          {"max_gap_ms", milliseconds(max_gap_ns_)},
          {"bytes", bytes_}};
}

}  // namespace framering::cli
