// SPDX-License-Identifier: Apache-2.0
//
// The processes of one scenario and the memory in which they keep their figures. This process
// publishes; N children read, and one more reads that can be stopped.
//
//     publisher                         reader (each)
//  begin: lane, frames, first  ──order──►  reads what is left over
//                              ◄─ready──
//  frame 0: began_ns[0], publish ─────►  latency_ns[me][0]
//  frame 1 ...
//                              ◄─done───
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "control/stream_writer.h"
#include "lanes.h"
#include "machine.h"
#include "ring/fd.h"
#include "shared_word.h"

namespace framering::bench {

inline constexpr std::uint32_t kMaxBenchReaders = 9;  // with the one that is stopped
inline constexpr std::uint32_t kMaxBenchFrames = 1024;
inline constexpr std::uint32_t kWarmUp = 12;           // first frames of a run, not counted
inline constexpr std::uint32_t kFootprint = 4u << 20;  // of small frames; larger ones get 5 frames

// In anonymous shared memory. Words of different writers on different lines.
struct FieldBoard {
  alignas(64) SharedU32 order{0};  // counts runs; readers sleep on it
  Lane lane = Lane::copy_only;     // and the rest of the order, written before it
  std::uint32_t frames = 0;
  std::uint64_t first = 0;  // frames published before the run
  alignas(64) SharedU32 ready{0};
  alignas(64) SharedU32 done{0};
  alignas(64) SharedU64 raw_head{0};
  struct alignas(64) Word {
    SharedU32 value{0};
  };
  Word raw_word[kMaxBenchReaders];
  alignas(64) std::uint64_t began_ns[kMaxBenchFrames];
  std::uint32_t latency_ns[kMaxBenchReaders][kMaxBenchFrames];  // 0: it never came
};

// What one run of a lane gave, nanoseconds.
struct RunFigures {
  std::vector<std::uint32_t> publish;
  std::vector<std::uint32_t> latency;  // of all readers
  std::uint64_t lost = 0;              // frames that some reader did not get
};

class Field {
 public:
  // Starts readers and streams, waits until all are attached. Throws if that takes too long.
  Field(const Scenario& scenario, const std::string& socket_dir, const std::string& prefix);
  ~Field();
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;

  [[nodiscard]] RunFigures run(Lane lane);

 private:
  void publish(Lane lane, std::uint32_t frame);
  void publish_raw(std::uint32_t frame);
  [[nodiscard]] StreamWriter& writer_of(Lane lane);
  void wait_until(const SharedU32& word, std::uint32_t wanted, const char* what);

  const Scenario scenario_;
  const std::uint32_t readers_;  // with the one that is stopped
  std::uint64_t footprint_;
  FieldBoard* board_ = nullptr;
  std::byte* arena_ = nullptr;  // of the raw lanes
  std::vector<Fd> events_;      // of the raw lanes
  std::vector<std::byte> payload_;
  std::vector<Child> children_;
  std::array<std::unique_ptr<StreamWriter>, 4> writers_;
};

}  // namespace framering::bench
