// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <chrono>
#include <cmath>
#include <utility>

#include "ring/clock.h"
#include "ring/quiet_thread.h"

namespace framering::exporter {
namespace {

constexpr std::chrono::milliseconds kLook{250};  // how soon it ends when asked to

ReaderOptions reader_options(const std::string& stream, const std::string& socket_dir) {
  ReaderOptions options;
  options.stream = stream;
  options.socket_dir = socket_dir;
  options.name = "framering-exporter";
  options.policy = Policy::every;
  options.start = Start::head;
  return options;
}

double seconds_between(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
  return to_ns > from_ns ? static_cast<double>(to_ns - from_ns) / 1e9 : 0;
}

}  // namespace

void Histogram::observe(double value) noexcept {
  std::size_t index = 0;
  while (index < kBounds && value > bound(index)) ++index;
  counts_.at(index).fetch_add(1, std::memory_order_relaxed);
  // One thread observes, so nothing comes between the load and the store.
  sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

double Histogram::bound(std::size_t index) const noexcept {
  return std::ldexp(first_bound_, static_cast<int>(index));
}

Probe::Probe(const std::string& stream, const std::string& socket_dir)
    : stream_(stream), reader_(reader_options(stream, socket_dir)) {
  thread_ = quiet_thread([this] { run(); });
}

Probe::~Probe() {
  stopping_.store(true, std::memory_order_relaxed);  // a flag by itself
  thread_.join();
}

void Probe::run() noexcept {
  Frame frame;
  while (!stopping_.load(std::memory_order_relaxed)) {
    ReadResult result = reader_.lease_next(frame, std::chrono::nanoseconds(0));
    const bool slept = result == ReadResult::timeout;
    if (slept) result = reader_.lease_next(frame, kLook);
    const std::uint64_t seen_ns = monotonic_ns();
    if (result == ReadResult::frame) {
      observe(frame, seen_ns, slept);
      reader_.release(frame);
    } else if (result == ReadResult::refused) {
      std::this_thread::sleep_for(
          kLook);  // for good; what the broker counts is served all the same
    }
  }
}

void Probe::observe(const Frame& frame, std::uint64_t seen_ns, bool slept) noexcept {
  const FrameMeta& meta = frame.meta;
  if (slept) histograms_.wake.observe(seconds_between(frame.published_ns, seen_ns));
  if (meta.captured_ns != 0) {
    histograms_.capture.observe(seconds_between(meta.captured_ns, frame.published_ns));
  }
  if (meta.encoded_ns != 0) {
    histograms_.publish.observe(seconds_between(meta.encoded_ns, frame.published_ns));
  }
  const auto bytes = static_cast<double>(frame.bytes.size());
  (frame.key() ? histograms_.key_bytes : histograms_.other_bytes).observe(bytes);
  if (std::exchange(generation_, frame.generation) != frame.generation) last_key_ = 0;
  if (!frame.key()) return;
  if (last_key_ != 0) {
    histograms_.key_interval.observe(static_cast<double>(frame.number - last_key_));
  }
  last_key_ = frame.number;
}

}  // namespace framering::exporter
