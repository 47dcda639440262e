// SPDX-License-Identifier: Apache-2.0
//
// The golden ring and pages of vectors.txt as C++ reads them, every field, and the states of a ring
// that a reader may meet. consumers/go/internal/ring/vectors_test.go does the same in Go.
#include <functional>
#include <span>

#include "page_layout.h"
#include "ring/ring_view.h"
#include "vectors.h"

namespace framering {

namespace {

using test::expect_all;
using test::GoldenMemory;
using test::Line;
using test::the_one;
using test::unhex;
using test::Values;
using test::vectors;

constexpr std::uint64_t kFrame = 3;

GoldenMemory golden_ring() {
  GoldenMemory memory(std::stoul(the_one("length")));
  memory.put_lines("bytes");
  return memory;
}

template <typename Number>
std::string text(const Number& number) {
  if constexpr (std::is_arithmetic_v<Number>) {
    return std::to_string(number);
  } else {
    return std::to_string(number.load(std::memory_order_relaxed));
  }
}

Values fixed_part(const RingHeader& h) {
  return {{"magic", text(h.magic)},
          {"layout_version", text(h.layout_version)},
          {"header_bytes", text(h.header_bytes)},
          {"generation", text(h.generation)},
          {"segment_bytes", text(h.segment_bytes)},
          {"arena_offset", text(h.arena_offset)},
          {"arena_bytes", text(h.arena_bytes)},
          {"slot_count", text(h.slot_count)},
          {"slot_bytes", text(h.slot_bytes)},
          {"slots_offset", text(h.slots_offset)},
          {"codec", text(h.codec)},
          {"flags", text(h.flags)},
          {"inter_coded", (h.flags & kStreamInterCoded) != 0 ? "1" : "0"},
          {"time_base_num", text(h.time_base_num)},
          {"time_base_den", text(h.time_base_den)},
          {"max_width", text(h.max_width)},
          {"max_height", text(h.max_height)},
          {"max_frame_bytes", text(h.max_frame_bytes)},
          {"lease_cells", text(h.lease_cells)},
          {"max_readers", text(h.max_readers)},
          {"created_ns", text(h.created_ns)},
          {"parameter_sets_offset", text(h.parameter_sets_offset)}};
}

Values words(const RingHeader& h) {
  return {{"head", text(h.head)},
          {"newest_key", text(h.newest_key)},
          {"reclaimed", text(h.reclaimed)},
          {"intent", text(h.intent)},
          {"parameter_intent", text(h.parameter_intent)},
          {"source_state", text(h.source_state)},
          {"state_since_ns", text(h.state_since_ns)},
          {"heartbeat_ns", text(h.heartbeat_ns)},
          {"parameter_set", text(h.parameter_set)},
          {"width", text(h.width)},
          {"height", text(h.height)},
          {"bytes_published", text(h.bytes_published)},
          {"frames_too_large", text(h.frames_too_large)},
          {"key_requests_wanted", text(h.key_requests_wanted)},
          {"key_requests_granted", text(h.key_requests_granted)},
          {"leases_stepped_over", text(h.leases_stepped_over)},
          {"leases_revoked", text(h.leases_revoked)},
          {"bells_rung", text(h.bells_rung)},
          {"bells_by_ringer", text(h.bells_by_ringer)}};
}

Values frame(const FrameSlot& slot) {
  const FrameRecord& record = slot.record;
  const FrameMeta& meta = record.meta;
  Values values{{"number", text(slot.number)},
                {"position", text(record.position)},
                {"published_ns", text(record.published_ns)},
                {"size", text(record.size)},
                {"pts", text(meta.pts)},
                {"dts", text(meta.dts)},
                {"captured_ns", text(meta.captured_ns)},
                {"encoded_ns", text(meta.encoded_ns)},
                {"parameter_set", text(meta.parameter_set)},
                {"flags", text(meta.flags)},
                {"codec", text(meta.codec)},
                {"width", text(meta.width)},
                {"height", text(meta.height)},
                {"primaries", text(meta.colour_primaries)},
                {"transfer", text(meta.transfer)},
                {"matrix", text(meta.matrix)},
                {"full_range", text(meta.full_range)}};
  for (int plane = 0; plane < 4; ++plane) {
    values["stride_" + text(plane)] = text(meta.stride[plane]);
    values["plane_offset_" + text(plane)] = text(meta.plane_offset[plane]);
  }
  return values;
}

// What a reader says of the ring or else of its frame 3, in the words of the vectors.
std::string verdict(const GoldenMemory& memory) {
  RingView ring;
  switch (ring.open(memory.data(), memory.length())) {
    case RingFault::not_ready:
      return "not_ready";
    case RingFault::newer_layout:
      return "newer_layout";
    case RingFault::older_layout:
      return "older_layout";
    case RingFault::unknown_flags:
      return "unknown_flags";
    case RingFault::bad_sizes:
      return "bad_sizes";
    case RingFault::none:
      break;
  }
  if (ring.head() == 0) return "none";
  FrameRecord record;
  switch (ring.read_slot(kFrame, record)) {
    case SlotState::given_up:
      return "given_up";
    case SlotState::nonsense:
      return "nonsense";
    case SlotState::whole:
      break;
  }
  return "whole";
}

std::string verdict_on_the_set(const GoldenMemory& memory) {
  RingView ring;
  EXPECT_EQ(ring.open(memory.data(), memory.length()), RingFault::none);
  std::array<std::byte, kMaxParameterSetBytes> set{};
  const std::size_t size = ring.read_parameter_set(1, set);
  if (size == 0) return "given_up";
  EXPECT_EQ(std::vector<std::byte>(set.begin(), set.begin() + size), unhex(the_one("set")));
  return "whole";
}

// Each line "KIND NAME VERDICT [OFFSET HEX]...".
void expect_verdicts(const std::string& kind, std::size_t at_least,
                     const std::function<std::string(const GoldenMemory&)>& judge) {
  std::size_t judged = 0;
  for (const Line& line : vectors()) {
    if (line[0] != kind) continue;
    GoldenMemory memory = golden_ring();
    for (std::size_t at = 3; at + 1 < line.size(); at += 2) memory.put(line[at], line[at + 1]);
    EXPECT_EQ(judge(memory), line.at(2)) << kind << " " << line[1];
    ++judged;
  }
  EXPECT_GE(judged, at_least);
}

}  // namespace

TEST(Vectors, the_golden_ring_is_read_as_it_says) {
  const GoldenMemory memory = golden_ring();
  const auto& header = *reinterpret_cast<const RingHeader*>(memory.data());
  expect_all("header", fixed_part(header));
  expect_all("word", words(header));
  const auto* slots = reinterpret_cast<const FrameSlot*>(memory.data() + kSlotsOffset);
  expect_all("frame3", frame(slots[kFrame % header.slot_count]));
}

TEST(Vectors, the_golden_frame_is_found_with_its_bytes) {
  const GoldenMemory memory = golden_ring();
  RingView ring;
  ASSERT_EQ(ring.open(memory.data(), memory.length()), RingFault::none);
  FrameRecord record;
  ASSERT_EQ(ring.head(), kFrame);
  ASSERT_EQ(ring.read_slot(kFrame, record), SlotState::whole);
  const std::span<const std::byte> bytes = ring.bytes_of(record);
  EXPECT_EQ(std::vector<std::byte>(bytes.begin(), bytes.end()), unhex(the_one("payload")));
}

TEST(Vectors, torn_lapped_dead_and_hostile_rings_are_what_the_vectors_say) {
  expect_verdicts("state", 40, verdict);
}

TEST(Vectors, parameter_sets_are_given_up_when_the_vectors_say_so) {
  expect_verdicts("set_state", 5, verdict_on_the_set);
}

TEST(Vectors, the_golden_pages_are_read_as_they_say) {
  GoldenMemory reader_memory(kPageBytes);
  reader_memory.put_lines("reader_page");
  const auto& page = *reinterpret_cast<const ReaderPage*>(reader_memory.data());
  expect_all("reader_page_word", {{"magic", text(page.magic)},
                                  {"layout_version", text(page.layout_version)},
                                  {"wake_at", text(page.wake_at)},
                                  {"demand", text(page.demand)},
                                  {"key_requests", text(page.key_requests)},
                                  {"backlog_frames", text(page.backlog_frames)},
                                  {"backlog_bytes", text(page.backlog_bytes)},
                                  {"wanted_kbps", text(page.wanted_kbps)},
                                  {"read_to", text(page.read_to)},
                                  {"delivered", text(page.delivered)},
                                  {"lost_lapped", text(page.lost_lapped)},
                                  {"lost_skipped", text(page.lost_skipped)},
                                  {"lost_undecodable", text(page.lost_undecodable)},
                                  {"leases_revoked", text(page.leases_revoked)},
                                  {"delivered_bytes", text(page.delivered_bytes)},
                                  {"attached_ns", text(page.attached_ns)},
                                  {"lease_7", text(page.lease[7])}});
  GoldenMemory bell_memory(kPageBytes);
  bell_memory.put_lines("bell_page");
  const auto& bell = *reinterpret_cast<const BellPage*>(bell_memory.data());
  expect_all("bell_page_word", {{"magic", text(bell.magic)},
                                {"layout_version", text(bell.layout_version)},
                                {"futex_word", text(bell.futex_word)},
                                {"attachment", text(bell.attachment)},
                                {"revoked_7", text(bell.revoked[7])},
                                {"revoked_63", text(bell.revoked[63])}});
}

}  // namespace framering
