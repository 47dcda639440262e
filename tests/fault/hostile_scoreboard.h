// SPDX-License-Identifier: Apache-2.0
//
// Where the processes of a hostile-neighbour test note what they saw: memory that they all share.
// The hostile one has it too, but only its own corner is asked of it.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <vector>

namespace framering::test {

// A round has both parts, so that a machine that is slow for a while is so for both.
enum class Part : std::uint32_t { calm, attacked, unmeasured };
inline constexpr std::size_t kMeasuredParts = 2;

// Durations, one writer. More than fit are counted, not kept.
template <std::size_t kCapacity>
struct Samples {
  std::array<std::atomic<std::uint32_t>, kCapacity> ns;
  std::atomic<std::uint64_t> count;

  void add(std::uint64_t duration_ns) noexcept {
    const std::uint64_t at = count.load(std::memory_order_relaxed);
    if (at < kCapacity) {
      const auto clipped = std::min<std::uint64_t>(duration_ns, UINT32_MAX);
      ns[at].store(static_cast<std::uint32_t>(clipped), std::memory_order_relaxed);
    }
    count.store(at + 1, std::memory_order_release);  // who sees the count sees the sample
  }
  void append_to(std::vector<std::uint32_t>& all) const {
    const std::uint64_t kept =
        std::min<std::uint64_t>(count.load(std::memory_order_acquire), kCapacity);
    for (std::uint64_t i = 0; i < kept; ++i) all.push_back(ns[i].load(std::memory_order_relaxed));
  }
};

// A fault that the test itself puts in, to see that it is found.
enum class Canary : std::uint32_t { none, spoil_a_frame, hurry };

struct ProducerScore {
  std::atomic<std::uint32_t> ready;
  std::atomic<std::uint32_t> uring;      // 1: an io_uring can be set up in this process
  std::atomic<std::uint64_t> published;  // newest frame
  std::atomic<std::uint64_t> begun;      // publishes begun: one more than ended while in one
  std::atomic<std::uint64_t> ended;
  std::array<Samples<32768>, kMeasuredParts> publish;      // wall clock
  std::array<Samples<32768>, kMeasuredParts> publish_cpu;  // of the publishing thread
};

struct ReaderScore {
  std::atomic<std::uint32_t> ready;  // attached: every frame from here on must come
  std::atomic<std::uint64_t> first;
  std::atomic<std::uint64_t> newest;
  std::atomic<std::uint64_t> delivered;
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> torn;
  std::array<Samples<32768>, kMeasuredParts> latency;  // published to verified
};

struct HostileScore {
  std::atomic<std::uint32_t> ready;      // the attack is under way
  std::atomic<std::uint64_t> tries;      // what it did, in the attack's own unit
  std::atomic<std::uint64_t> successes;  // what should have been refused and was not
};

inline constexpr std::size_t kMaxHonest = 6;

struct Scoreboard {
  std::atomic<Part> part;
  std::atomic<std::uint32_t> stop_publishing;
  std::atomic<Canary> canary;
  std::atomic<std::uint32_t> quit;
  std::array<Samples<4096>, kMeasuredParts> broker_answers;  // to an operator who asks now and then
  ProducerScore producer;
  std::array<ReaderScore, kMaxHonest> readers;
  HostileScore hostile;

  [[nodiscard]] static Scoreboard& make() {
    void* const at = ::mmap(nullptr, sizeof(Scoreboard), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "scoreboard");
    auto& board = *static_cast<Scoreboard*>(at);  // zero is the right beginning for all but:
    board.part.store(Part::unmeasured);
    return board;
  }
  static void drop(Scoreboard& board) noexcept { ::munmap(&board, sizeof(Scoreboard)); }
};

}  // namespace framering::test
