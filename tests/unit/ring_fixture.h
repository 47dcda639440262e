// SPDX-License-Identifier: Apache-2.0
//
// A ring and its readers inside one test process, put together the way broker and sessions do it:
// the reader maps what the producer sealed, and the other way round.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "pattern_frame.h"
#include "ring/reader.h"
#include "ring/writer.h"

namespace framering::test {

inline std::unique_ptr<OwnSegment> make_reader_page() {
  auto segment = std::make_unique<OwnSegment>("test-reader", kPageBytes);
  auto* page = new (segment->data()) ReaderPage;
  page->layout_version = kLayoutVersion;
  page->demand.store(1);
  page->magic.store(kReaderPageMagic, std::memory_order_release);
  return segment;
}

// A reader with its own mappings, attached without a broker.
class LocalReader {
 public:
  LocalReader(RingWriter& writer, std::uint64_t id, Policy policy = Policy::every,
              Start start = Start::oldest, Bell bell = Bell::futex)
      : page_segment(make_reader_page()),
        page(*reinterpret_cast<ReaderPage*>(page_segment->data())),
        reader(page) {
    EXPECT_EQ(ring.map(writer.fd(), kPageBytes, SIZE_MAX), SegmentFault::none);
    RingView view;
    EXPECT_EQ(view.open(ring.data(), ring.bytes()), RingFault::none);
    writer.bells().prepare(bell);
    NewReader newcomer;
    newcomer.id = id;
    newcomer.uid = 1000 + static_cast<std::uint32_t>(id);
    newcomer.bell = bell;
    newcomer.reader_page = Fd(::dup(page_segment->fd()));
    AddOutcome added = writer.readers().add(std::move(newcomer));
    EXPECT_EQ(added.fault, AddFault::none) << added.text;
    entry = added.entry;
    line = std::move(added.handles.line);
    event = std::move(added.handles.event);
    EXPECT_EQ(bell_page.map(added.handles.bell_page.get(), kPageBytes, kPageBytes),
              SegmentFault::none);
    buffer.resize(view.max_frame_bytes());
    reader.set_policy(policy, 0);
    reader.attach(view, reinterpret_cast<const BellPage*>(bell_page.data()), start, false);
  }

  ReadOutcome copy(Frame& frame) { return reader.copy_next(frame, buffer); }

  std::unique_ptr<OwnSegment> page_segment;
  ReaderPage& page;
  ForeignSegment ring;
  ForeignSegment bell_page;
  Fd line;
  Fd event;
  std::shared_ptr<ReaderEntry> entry;
  std::vector<std::byte> buffer;
  RingReader reader;
};

inline RingOptions small_ring(std::uint64_t arena_bytes = 65536, std::uint32_t slots = 16) {
  RingOptions options;
  options.name = "test";
  options.arena_bytes = arena_bytes;
  options.slot_count = slots;
  return options;
}

inline FrameMeta key_meta() {
  FrameMeta meta;
  meta.flags = kFrameKey;
  meta.codec = kCodecPattern;
  return meta;
}

// Publishes pattern frame head + 1, written in place.
inline std::uint64_t publish_pattern(RingWriter& writer, std::size_t bytes,
                                     std::uint32_t flags = kFrameKey) {
  const std::span<std::byte> room = writer.reserve(bytes);
  if (room.empty()) return 0;
  write_pattern(room, writer.head() + 1);
  FrameMeta meta = key_meta();
  meta.flags = flags;
  return writer.commit(bytes, meta);
}

inline ::testing::AssertionResult is_pattern(const Frame& frame) {
  std::uint64_t number = 0;
  const PatternFault fault = check_pattern(frame.bytes, number);
  if (fault != PatternFault::none) {
    return ::testing::AssertionFailure()
           << "frame " << frame.number << ": fault " << static_cast<int>(fault);
  }
  if (number != frame.number) {
    return ::testing::AssertionFailure() << "frame " << frame.number << " holds number " << number;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace framering::test
