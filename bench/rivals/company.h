// SPDX-License-Identifier: Apache-2.0
//
// The processes of one lane: one publishes, N read. All lanes of a scenario are there at once,
// asleep but for the one whose turn it is; a process that crashes or hangs takes down no other lane.
#pragma once

#include <string>
#include <vector>

#include "board.h"
#include "machine.h"
#include "rival.h"

namespace framering::bench {

inline constexpr std::uint32_t kWarmUpFrames = 8;  // first frames of a run, not counted

// What one run gave.
struct RunResult {
  std::vector<std::uint32_t> publish_ns;
  std::vector<std::uint32_t> latency_ns;  // of all readers
  std::vector<std::uint32_t> last_ns;     // of each frame, when the last reader had it
  double gb_per_s = 0;                    // received by all readers together
  double published_per_s = 0;
  double cpu_us = 0;       // for each frame published: publisher, readers and daemon
  std::uint64_t lost = 0;  // frames that some reader did not get
  std::uint64_t torn = 0;
};

class Company {
 public:
  // Starts the processes, waits until each reader got a frame. Throws std::runtime_error if that
  // takes too long or one of them fails. `daemon` takes part, too (0: there is none).
  Company(const RivalInfo& info, const Terms& terms, pid_t daemon);
  ~Company();
  Company(Company&& other) noexcept;
  Company& operator=(Company&&) = delete;

  [[nodiscard]] RunResult run_paced(std::uint32_t frames, std::uint32_t fps);
  [[nodiscard]] RunResult run_unpaced(std::chrono::milliseconds duration);

  // For the faults of others: begin, see what happens, and wait at most so long for the end.
  void begin(const Order& order);
  [[nodiscard]] bool ends_within(std::chrono::milliseconds patience);  // false: it hangs
  [[nodiscard]] bool publisher_ends_within(std::chrono::milliseconds patience);
  [[nodiscard]] const Board& board() const noexcept { return *board_; }
  [[nodiscard]] pid_t reader_pid(std::uint32_t number) const;
  [[nodiscard]] const RivalInfo& info() const noexcept { return *info_; }
  void expect_one_less() noexcept { --expected_; }  // a reader was killed

 private:
  void start(Rival& rival);
  void await(const SharedU32& word, std::uint32_t wanted, std::chrono::milliseconds patience,
             const char* what);
  [[nodiscard]] bool all_run() const;
  [[nodiscard]] std::uint64_t cpu_ns() const;

  const RivalInfo* info_;
  const Terms terms_;
  const pid_t daemon_;
  Board* board_;
  std::vector<Child> children_;  // the publisher first
  std::uint32_t expected_ = 0;   // processes that take part
};

}  // namespace framering::bench
