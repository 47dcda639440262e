// SPDX-License-Identifier: Apache-2.0
//
// Turns counters that a broker answers with into rates, for `framering top`.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "control/operator_client.h"

namespace framering::cli {

struct ReaderRates {
  ReaderInfo info;
  double fps = 0;
  std::uint64_t lag = 0;  // frames between it and the head
};

struct StreamRates {
  StreamStat stat;
  double fps = 0;
  double bits_per_second = 0;
  std::uint64_t key_interval = 0;  // frames from key frame to key frame; 0 = not known yet
  std::vector<ReaderRates> readers;
};

// The newest key frame, looked at now and then: how many frames lie between two. Looked at more
// often than key frames come, it is exact; else it is an upper bound.
class KeyInterval {
 public:
  void look(std::uint64_t newest_key, std::uint64_t head);
  [[nodiscard]] std::uint64_t frames() const noexcept;  // 0: not known yet

 private:
  static constexpr std::size_t kRemembered = 8;  // intervals; so a changed GOP shows soon

  std::uint64_t newest_key_ = 0;
  std::deque<std::uint64_t> intervals_;
  bool every_frame_ = true;  // each look found a key frame at the head
};

class Rates {
 public:
  // Between two samples: only the key frames.
  void look(const std::vector<StreamInfo>& streams);
  // One sample of everything; the rates are those since the sample before, zero in the first.
  [[nodiscard]] std::vector<StreamRates> sample(const std::vector<StreamStat>& stats);

 private:
  struct Generation {
    StreamStat last;
    KeyInterval keys;
  };
  std::map<std::uint64_t, Generation> generations_;  // those of the newest sample
};

}  // namespace framering::cli
