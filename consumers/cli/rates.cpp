// SPDX-License-Identifier: Apache-2.0
#include "rates.h"

#include <algorithm>

namespace framering::cli {

namespace {

// Counters of another process are claims: one that went back gives 0, not a huge rate.
double rate(std::uint64_t before, std::uint64_t now, double seconds) {
  return now > before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

// A consumer is not told ids (0): then a reader is known by its process and when it attached.
bool same_reader(const ReaderInfo& a, const ReaderInfo& b) {
  return a.id == b.id && a.pid == b.pid && a.attached_ns == b.attached_ns && a.name == b.name;
}

}  // namespace

void KeyInterval::look(std::uint64_t newest_key, std::uint64_t head) {
  // The two are not read at one moment: a frame may have come in between.
  every_frame_ = every_frame_ && newest_key + 1 >= head;
  if (newest_key_ != 0 && newest_key > newest_key_) {
    intervals_.push_back(newest_key - newest_key_);
    if (intervals_.size() > kRemembered) intervals_.pop_front();
  }
  newest_key_ = newest_key;
}

std::uint64_t KeyInterval::frames() const noexcept {
  if (intervals_.empty()) return 0;
  return every_frame_ ? 1 : *std::ranges::min_element(intervals_);
}

void Rates::look(const std::vector<StreamInfo>& streams) {
  for (const StreamInfo& stream : streams) {
    const auto known = generations_.find(stream.generation);
    if (known != generations_.end()) known->second.keys.look(stream.newest_key, stream.head);
  }
}

std::vector<StreamRates> Rates::sample(const std::vector<StreamStat>& stats) {
  std::vector<StreamRates> out;
  std::map<std::uint64_t, Generation> next;
  for (const StreamStat& stat : stats) {
    StreamRates rates;
    rates.stat = stat;
    Generation& generation = next[stat.stream.generation];
    const auto known = generations_.find(stat.stream.generation);
    if (known != generations_.end()) generation = std::move(known->second);

    const StreamStat& last = generation.last;
    const bool first = last.taken_ns == 0 || stat.taken_ns <= last.taken_ns;
    const double seconds = first ? 0 : static_cast<double>(stat.taken_ns - last.taken_ns) / 1e9;
    rates.fps = rate(last.stream.head, stat.stream.head, seconds);
    rates.bits_per_second =
        8 * rate(last.stream.bytes_published, stat.stream.bytes_published, seconds);
    for (const ReaderInfo& reader : stat.readers) {
      ReaderRates row;
      row.info = reader;
      row.lag = stat.stream.head > reader.read_to ? stat.stream.head - reader.read_to : 0;
      const auto before = std::ranges::find_if(
          last.readers, [&](const ReaderInfo& other) { return same_reader(other, reader); });
      if (before != last.readers.end()) {
        row.fps = rate(before->delivered, reader.delivered, seconds);
      }
      rates.readers.push_back(std::move(row));
    }
    generation.keys.look(stat.stream.newest_key, stat.stream.head);
    rates.key_interval = generation.keys.frames();
    generation.last = stat;
    out.push_back(std::move(rates));
  }
  generations_ = std::move(next);
  return out;
}

}  // namespace framering::cli
