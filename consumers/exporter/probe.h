// SPDX-License-Identifier: Apache-2.0
//
// A reader that looks at each frame's record and leaves the picture alone: what the operator's
// socket cannot tell, since it is not in the counters of the pages.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>

#include "control/stream_reader.h"

namespace framering::exporter {

// How many observations were at most so much, by doubling bounds. One thread observes, any reads.
class Histogram {
 public:
  static constexpr std::size_t kBounds = 24;

  explicit Histogram(double first_bound) : first_bound_(first_bound) {}
  void observe(double value) noexcept;
  [[nodiscard]] double bound(std::size_t index) const noexcept;
  // relaxed, all: a scrape between two words is off by one observation.
  [[nodiscard]] std::uint64_t at(std::size_t index) const noexcept {
    return counts_.at(index).load(std::memory_order_relaxed);
  }
  [[nodiscard]] double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  const double first_bound_;
  std::array<std::atomic<std::uint64_t>, kBounds + 1> counts_{};  // the last: beyond all bounds
  std::atomic<double> sum_{0};
};

struct ProbeHistograms {
  Histogram capture{1e-4};    // seconds, from the capture to the ring
  Histogram publish{1e-6};    // seconds, from the encoder to the ring: the copy, and publishing
  Histogram wake{1e-6};       // seconds, from the ring to this reader, which slept
  Histogram key_interval{1};  // frames
  Histogram key_bytes{1024};
  Histogram other_bytes{128};
};

class Probe {
 public:
  // Throws std::invalid_argument on a bad name.
  Probe(const std::string& stream, const std::string& socket_dir);
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  [[nodiscard]] const std::string& stream() const noexcept { return stream_; }
  [[nodiscard]] const ProbeHistograms& histograms() const noexcept { return histograms_; }

 private:
  void run() noexcept;
  void observe(const Frame& frame, std::uint64_t seen_ns, bool slept) noexcept;

  const std::string stream_;
  ProbeHistograms histograms_;
  StreamReader reader_;
  std::uint64_t last_key_ = 0, generation_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace framering::exporter
