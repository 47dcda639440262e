// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the hardware at the moment, as told by text commands (README.md lists them).
// Commands come from any thread; the questions below are asked on the vendor thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace kvm_standin {

enum class Input { kLive, kNoSignal, kChanging, kUnsupported };

struct NewResolution {
  int width = 0;
  int height = 0;
  bool scaled = false;  // the input changes, the frames keep the size the channel was added with
};

class Faults {
 public:
  // Empty on success, else what is wrong with the command.
  std::string apply(std::string_view command);
  // Several commands, separated by ';'. The first complaint, or empty.
  std::string apply_all(std::string_view commands);

  // Does what `hang` and `crash` ask for; otherwise returns at once.
  void strike();

  Input input();
  // One pop failed with kChangingResolution; the new size comes out with the last of them.
  std::optional<NewResolution> count_changing_pop();
  // Returns early, true, when the signal comes back.
  bool wait_for_signal(std::chrono::milliseconds timeout);

  bool take_encoder_error();
  // Bytes to which the key frame at hand is to be padded; 0: leave it.
  size_t take_key_bytes();
  bool still();

 private:
  using Clock = std::chrono::steady_clock;
  struct Words;

  std::string apply_input(const Words& words);
  std::string apply_encoder(const Words& words);
  bool signal_lost() const;  // with the lock held

  std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point no_signal_until_{};
  Clock::time_point unsupported_until_{};
  int changing_pops_ = 0;
  NewResolution new_resolution_;
  int encoder_errors_ = 0;
  size_t next_key_bytes_ = 0;
  size_t every_key_bytes_ = 0;
  bool still_ = false;
  bool hang_ = false;
  bool crash_ = false;
};

}  // namespace kvm_standin
