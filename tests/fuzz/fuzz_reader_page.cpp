// SPDX-License-Identifier: Apache-2.0
//
// A reader page from a hostile reader, as its producer meets it: any words, at any moment between
// publishes, while an honest reader must get every frame whole.
#include <fcntl.h>

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

constexpr std::uint32_t kSlots = 8;
constexpr std::uint32_t kCells = 4;
constexpr int kMaxSteps = 200;

struct Page {
  Page() : segment("fuzz-page", kPageBytes) { clear(); }
  void clear() noexcept {
    std::memset(segment.data(), 0, kPageBytes);
    page = new (segment.data()) ReaderPage;
    page->layout_version = kLayoutVersion;
    page->magic.store(kReaderPageMagic, std::memory_order_release);
  }
  OwnSegment segment;
  ReaderPage* page = nullptr;
};

NewReader reader_with(const Page& page, std::uint64_t id, Bell bell) {
  NewReader reader;
  reader.id = id;
  reader.bell = bell;
  reader.reader_page = Fd(::fcntl(page.segment.fd(), F_DUPFD_CLOEXEC, 0));
  return reader;
}

// A word of the page: most often one that the producer looks at, and a number near its own.
void scribble(FuzzInput& input, Page& hostile, std::uint64_t head) {
  const auto where = input.take<std::uint8_t>();
  const auto kind = input.take<std::uint8_t>();
  std::uint64_t value = head + (kind >> 2) - 16;
  if (kind % 4 == 3) value = input.take<std::uint64_t>();
  if (kind % 4 == 2) value = 0;
  if (where < 128) {
    hostile.page->lease[where % kMaxLeaseCells].store(value, std::memory_order_relaxed);
  } else if (where < 192) {
    hostile.page->wake_at.store(value, std::memory_order_relaxed);
  } else {
    const std::size_t word = input.take<std::uint16_t>() % (kPageBytes / 8);
    std::memcpy(hostile.segment.data() + word * 8, &value, 8);
  }
}

// Publishes a frame; the honest reader gets it, whole.
void publish(FuzzInput& input, RingWriter& writer, RingReader& reader,
             std::span<std::byte> buffer) {
  const std::size_t size =
      kPatternHeaderBytes + input.take<std::uint16_t>() % (writer.header().max_frame_bytes - 24);
  const std::span<std::byte> room = writer.reserve(size);
  demand(room.size() == size, "there is always room for a frame");
  const std::uint64_t number = writer.head() + 1;
  write_pattern(room, number);
  FrameMeta meta;
  meta.flags = kFrameKey;
  demand(writer.commit(size, meta) == number, "frames are numbered one by one");
  Frame frame;
  demand(reader.copy_next(frame, buffer) == ReadOutcome::frame, "the honest reader gets a frame");
  std::uint64_t told = 0;
  demand(frame.number == number && frame.lost_before == 0 && frame.bytes.size() == size &&
             check_pattern(frame.bytes, told) == PatternFault::none && told == number,
         "the frame is the one that was published, whole");
}

}  // namespace

std::vector<Seed> framering::fuzz::seeds() {
  Seed publishing{0, 4};
  Seed leasing{1, 4};
  for (std::uint8_t i = 0; i < 24; ++i) {
    publishing.insert(publishing.end(), {0, i, i});
    leasing.insert(leasing.end(), {1, i, 60, 0, 200, i});
  }
  return {publishing, leasing};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Page hostile;
  static Page honest;
  hostile.clear();
  honest.clear();
  FuzzInput input(data, size);
  const auto bell = static_cast<Bell>(input.take<std::uint8_t>() % 3);
  const std::uint32_t cells = input.take<std::uint8_t>() % (kCells + 1);

  RingOptions options;
  options.name = "fuzz";
  options.arena_bytes = 16384;
  options.slot_count = kSlots;
  options.lease_cells = cells;
  RingWriter writer(options);
  writer.bells().prepare(bell);
  const AddOutcome bad = writer.readers().add(reader_with(hostile, 1, bell));
  const AddOutcome good = writer.readers().add(reader_with(honest, 2, Bell::futex));
  demand(bad.fault == AddFault::none && good.fault == AddFault::none, "both readers are taken");

  ForeignSegment segment;
  RingView view;
  demand(segment.map(writer.fd(), kPageBytes, SIZE_MAX) == SegmentFault::none &&
             view.open(segment.data(), segment.bytes()) == RingFault::none,
         "the ring opens");
  RingReader reader(*honest.page);
  reader.set_policy(Policy::every, 0);
  reader.attach(view, good.entry->bell, Start::oldest, false);
  std::vector<std::byte> buffer(view.max_frame_bytes());
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) {
    if (input.take<std::uint8_t>() % 2 == 1)
      scribble(input, hostile, writer.head());
    else
      publish(input, writer, reader, buffer);
  }
  publish(input, writer, reader, buffer);
  writer.set_state(SourceState::ended);
  demand(writer.readers().remove(1) != nullptr, "the hostile reader can be let go");
  return 0;
}
