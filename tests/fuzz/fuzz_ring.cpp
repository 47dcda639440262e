// SPDX-License-Identifier: Apache-2.0
//
// A ring from a hostile producer, as a reader meets it: a good ring in which the fuzzer overwrites
// words, before and between the reads. Whatever they say, the reader stays inside the mapping.
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz_input.h"
#include "pattern_frame.h"
#include "ring/reader.h"
#include "ring/writer.h"

using namespace framering;
using namespace framering::fuzz;

namespace {

constexpr std::uint64_t kArena = 16384;
constexpr std::uint32_t kSlots = 8;
constexpr int kReads = 24;

// A ring after some laps, as bytes.
const std::vector<std::byte>& good_ring() {
  static const std::vector<std::byte> ring = [] {
    RingOptions options;
    options.name = "fuzz";
    options.arena_bytes = kArena;
    options.slot_count = kSlots;
    RingWriter writer(options);
    FrameMeta meta;
    meta.codec = kCodecPattern;
    for (std::uint64_t n = 1; n <= 3 * kSlots; ++n) {
      const std::span<std::byte> room = writer.reserve(100 * (n % 7 + 1));
      write_pattern(room, n);
      meta.flags = n % 4 == 0 ? kFrameKey : 0;
      writer.commit(room.size(), meta);
    }
    ForeignSegment segment;
    demand(segment.map(writer.fd(), kPageBytes, SIZE_MAX) == SegmentFault::none,
           "a good ring maps");
    return std::vector<std::byte>(segment.data(), segment.data() + segment.bytes());
  }();
  return ring;
}

// Overwrites a word of the header, the parameter sets or the slots.
void vandalise(FuzzInput& input, std::span<std::byte> ring) {
  const std::size_t words = (kSlotsOffset + kSlots * sizeof(FrameSlot)) / 8;
  const std::size_t word = input.take<std::uint16_t>() % words;
  const auto kind = input.take<std::uint8_t>();
  std::uint64_t value = 0;
  std::memcpy(&value, ring.data() + word * 8, 8);
  switch (kind % 4) {
    case 0:
      value = input.take<std::uint64_t>();
      break;
    case 1:
      value += input.take<std::uint8_t>();
      break;
    case 2:
      value -= input.take<std::uint8_t>();
      break;
    default:
      value ^= std::uint64_t{1} << (input.take<std::uint8_t>() % 64);
      break;
  }
  std::memcpy(ring.data() + word * 8, &value, 8);
}

void read(RingReader& reader, const RingView& view, FuzzInput& input, std::span<std::byte> ring,
          std::span<std::byte> buffer) {
  const auto inside = [&](std::span<const std::byte> bytes, std::span<const std::byte> whole) {
    return bytes.empty() || (bytes.data() >= whole.data() &&
                             bytes.data() + bytes.size() <= whole.data() + whole.size());
  };
  for (int i = 0; i < kReads; ++i) {
    Frame frame;
    const bool lease = (i & 1) != 0;
    const ReadOutcome outcome = lease ? reader.lease_next(frame) : reader.copy_next(frame, buffer);
    if (outcome == ReadOutcome::frame) {
      demand(inside(frame.bytes, lease ? ring : buffer),
             "a frame lies inside the ring or the buffer");
      touch(frame.bytes);
      static_cast<void>(reader.lease_valid(frame));
      reader.release(frame);
      std::byte set[kMaxParameterSetBytes];
      demand(view.read_parameter_set(frame.meta.parameter_set, set) <= sizeof set,
             "a parameter set fits its buffer");
    }
    if (outcome == ReadOutcome::broken) return;
    if (i == kReads / 2) static_cast<void>(reader.jump_to_newest_key());
    if (!input.empty()) vandalise(input, ring);
  }
}

}  // namespace

// Policy, start, lag, number of words overwritten beforehand; then words: place, kind, value.
std::vector<Seed> framering::fuzz::seeds() {
  return {{0, 1, 0, 0}, {1, 0, 4, 0}, {2, 2, 0, 1, 16, 0, 1, 5}, {0, 1, 0, 0, 16, 0, 3, 2}};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::vector<std::byte>& good = good_ring();
  // On the heap and exactly as long, so that one byte too far is noticed.
  const std::unique_ptr<std::byte[], decltype(&std::free)> memory(
      static_cast<std::byte*>(std::aligned_alloc(kPageBytes, good.size())), &std::free);
  const std::span<std::byte> ring(memory.get(), good.size());
  std::memcpy(ring.data(), good.data(), good.size());

  const auto policy = static_cast<Policy>(input.take<std::uint8_t>() % 3);
  const auto start = static_cast<Start>(input.take<std::uint8_t>() % 3);
  const std::uint32_t max_lag = input.take<std::uint8_t>() % 16;
  for (unsigned left = input.take<std::uint8_t>() % 8; left > 0; --left) vandalise(input, ring);

  RingView view;
  if (view.open(ring.data(), ring.size()) != RingFault::none) return 0;
  demand(view.arena_bytes() <= ring.size(), "the arena is inside the ring");
  std::vector<std::byte> buffer(view.max_frame_bytes());
  const auto page = std::make_unique<ReaderPage>();
  const auto bell = std::make_unique<BellPage>();
  bell->attachment.store(static_cast<std::uint32_t>(Attachment::attached));
  RingReader reader(*page);
  reader.set_policy(policy, max_lag);
  reader.attach(view, bell.get(), start, false);
  read(reader, view, input, ring, buffer);
  return 0;
}
