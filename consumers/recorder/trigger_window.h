// SPDX-License-Identifier: Apache-2.0
//
// From when to when to record: N seconds before a trigger until M seconds after the last one.
// Nothing is buffered for it. It knows where the key frames lie, and the ring has the rest.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace framering::recorder {

class TriggerWindow {
 public:
  TriggerWindow(double pre_s, double post_s) noexcept;

  // In the order of the stream; times are CLOCK_MONOTONIC, ns. Forgets what no trigger can want.
  void saw_key(std::uint64_t number, std::uint64_t captured_ns);
  void forget_keys() noexcept { keys_.clear(); }  // they were of another ring
  void trigger(std::uint64_t when_ns) noexcept;

  // Something was triggered, and frames captured then belong to the clip.
  [[nodiscard]] bool wants(std::uint64_t captured_ns) const noexcept {
    return triggered_ns_ != 0 && captured_ns <= triggered_ns_ + post_ns_;
  }
  void end() noexcept { triggered_ns_ = first_trigger_ns_ = 0; }
  [[nodiscard]] std::uint64_t first_trigger_ns() const noexcept { return first_trigger_ns_; }

  // The key frame at which the clip of that trigger begins: the last one at or before N seconds
  // before it, else the oldest known. None: no key frame was seen yet.
  [[nodiscard]] std::optional<std::uint64_t> first_frame() const noexcept;
  // The last key frame up to that number, else the first behind it. None: neither is known.
  [[nodiscard]] std::optional<std::uint64_t> key_for(std::uint64_t number) const noexcept;
  void drop_oldest_key() noexcept {  // the ring has it no longer
    if (!keys_.empty()) keys_.pop_front();
  }

 private:
  struct Key {
    std::uint64_t number, captured_ns;
  };

  const std::uint64_t pre_ns_, post_ns_;
  std::deque<Key> keys_;
  std::uint64_t first_trigger_ns_ = 0;  // of this clip; 0: none
  std::uint64_t triggered_ns_ = 0;      // the last trigger
};

}  // namespace framering::recorder
