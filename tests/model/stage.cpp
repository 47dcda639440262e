// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <cassert>
#include <cstring>
#include <new>
#include <string>

#include "hooks.h"
#include "mutants.h"
#include "ring/trail.h"

namespace framering::model {
namespace {

std::string numbered(const char* name, std::size_t i) {
  return name + std::to_string(i);
}

}  // namespace

std::span<const std::byte> content_of(std::uint64_t number) {
  constexpr std::size_t kMost = 32;
  using Content = std::array<std::uint64_t, kFrameBytes / 8>;
  static const std::array<Content, kMost> all = [] {
    std::array<Content, kMost> made{};
    for (std::size_t i = 0; i < kMost; ++i) made[i].fill(i);
    return made;
  }();
  assert(number < kMost);
  return std::as_bytes(std::span(all[number]));
}

Stage::Stage(const StageOptions& options) : options_(options) {
  World& world = World::get();
  kTrailBytes = options.trails ? kFrameBytes : SIZE_MAX;
  const int seats = attached() + options.later_readers;
  seats_.reserve(static_cast<std::size_t>(seats));
  for (int i = 0; i < seats; ++i) seats_.push_back(std::make_unique<Seat>());
  writer_begin_ = world.heap_top();
  RingOptions ring;
  ring.name = "ring";
  ring.arena_bytes = 4 * kFrameBytes;
  ring.slot_count = options.slots;
  ring.lease_cells = options.cells;
  ring.max_readers = 4;
  writer_ = std::make_unique<RingWriter>(ring);
  for (int i = 0; i < seats; ++i) make_seat(i);
  for (int i = 0; i < attached(); ++i) add_later(i);
  writer_end_ = world.heap_top();
  for (int i = 1; i <= options.frames; ++i) publish(static_cast<std::uint64_t>(i));
  const RingFault fault = view_.open(world.block_data(0), world.block(0).bytes);
  assert(fault == RingFault::none);
  (void)fault;
  for (int i = 0; i < seats; ++i) {
    seat(i).reader = std::make_unique<RingReader>(*seat(i).page);
    seat(i).reader->set_policy(options.policy, 0);
    seat(i).reader->set_trailing(options.trails);
    seat(i).reader->attach(view_, i < attached() ? seat(i).bell : nullptr, options.start, false);
  }
}

void Stage::track() {
  track_ring();
  for (int i = 0; i < options_.readers; ++i) track_pages(i);
  for (int i = attached(); i < attached() + options_.later_readers; ++i) track_pages(i);
}

void Stage::make_seat(int i) {
  seat(i).segment = std::make_unique<OwnSegment>("reader", kPageBytes);
  seat(i).page = new (seat(i).segment->data()) ReaderPage;
  seat(i).page->layout_version = kLayoutVersion;
  seat(i).page->magic.store(kReaderPageMagic, std::memory_order_release);
}

void Stage::add_later(int i) {
  NewReader newcomer;
  newcomer.id = static_cast<std::uint64_t>(i) + 1;
  newcomer.reader_page = Fd(seat(i).segment->fd());
  const AddOutcome added = writer_->readers().add(std::move(newcomer));
  if (World::get().running() && added.fault != AddFault::none) World::get().violate(added.text);
  if (World::get().running()) {
    assert(seat(i).bell == added.entry->bell && "the page lies where it was tracked");
  } else {
    seat(i).bell = added.entry->bell;
  }
}

void Stage::remove(int i) {
  writer_->readers().remove(static_cast<std::uint64_t>(i) + 1);
}

void Stage::track_ring() {
  World& world = World::get();
  const RingHeader& header = writer_->header();
  world.track(&header.head, 8, "head");
  world.track(&header.intent, 8, "intent");
  world.track(&header.reclaimed, 8, "reclaimed");
  const std::byte* const ring = world.block_data(0);
  for (std::uint32_t i = 0; i < options_.slots; ++i) {
    const auto* slot = reinterpret_cast<const FrameSlot*>(ring + kSlotsOffset) + i;
    const std::string of = std::to_string(i) + "/" + std::to_string(options_.slots);
    world.track(&slot->number, 8, "number " + of);
    world.track(&slot->record, 8, "position " + of);
    world.track(reinterpret_cast<const std::byte*>(&slot->record) + 8, sizeof(FrameRecord) - 8,
                "description " + of);
  }
  for (std::size_t i = 0; i < 4 * kFrameBytes / kPieceBytes; ++i) {
    world.track(ring + header.arena_offset + i * kPieceBytes, kPieceBytes,
                numbered("arena piece ", i));
  }
  if (options_.trails) {
    world.track(&header.arriving, 8, "arriving");
    world.track(&header.arriving_position, 8, "arriving_position");
    world.track(&header.arriving_bytes, 8, "arriving_bytes");
    world.track(&header.arrived, 8, "arrived");
  }
  if (!options_.control) return;
  writer_->readers().enter();
  world.track(world.last_touched, 8, "section");
  writer_->readers().leave();
  (void)writer_->readers().scan();
  world.track(world.last_touched, 8, "table");
}

void Stage::track_pages(int i) {
  World& world = World::get();
  const std::string who = " of reader " + std::to_string(i);
  const ReaderPage& page = *seat(i).page;
  if (options_.sleeps) world.track(&page.wake_at, 8, "wake_at" + who);
  for (std::uint32_t cell = 0; cell < options_.cells; ++cell) {
    world.track(&page.lease[cell], 8, numbered("lease ", cell) + who);
  }
  // Of a reader that comes later: where its bell page will lie, one after the other.
  const int ahead = world.next_block() + (i - attached());
  if (i >= attached()) seat(i).bell = reinterpret_cast<BellPage*>(world.block_data(ahead));
  const BellPage& bell = *seat(i).bell;
  if (options_.sleeps) world.track(&bell.futex_word, 4, "futex_word" + who);
  if (options_.control) world.track(&bell.attachment, 4, "attachment" + who);
  for (std::uint32_t cell = 0; cell < options_.cells; ++cell) {
    world.track(&bell.revoked[cell], 8, numbered("revoked ", cell) + who);
  }
}

void Stage::track_newest_key() {
  World::get().track(&writer_->header().newest_key, 8, "newest_key");
}
void Stage::track_state() {
  World::get().track(&writer_->header().source_state, 4, "source_state");
}

void Stage::track_parameter_sets() {
  World& world = World::get();
  world.track(&writer_->header().parameter_intent, 8, "parameter_intent");
  world.track(&writer_->header().parameter_set, 8, "parameter_set");
  const auto* sets =
      reinterpret_cast<const ParameterSetBuffer*>(world.block_data(0) + kParameterSetsOffset);
  for (std::size_t i = 0; i < 2; ++i) {
    world.track(&sets[i].number, 8, numbered("set number ", i));
    world.track(&sets[i].size, 4, numbered("set size ", i));
    world.track(sets[i].bytes, 32, numbered("set bytes a ", i));
    world.track(sets[i].bytes + 32, 32, numbered("set bytes b ", i));
  }
}

std::uint32_t Stage::most_steps() const {
  const auto readers = static_cast<std::uint32_t>(seats_.size());
  const std::uint32_t fence_and_table = options_.control ? 2 : 1;
  const std::uint32_t wake = options_.sleeps ? 2 * readers : 0;  // wake_at, a bell
  const std::uint32_t wakes = options_.trails ? 2 : 1;
  return (options_.cells + 2) * (fence_and_table + readers * options_.cells) +  // scans
         wakes * (fence_and_table + wake);
}

void Stage::publish(std::uint64_t number) {
  World& world = World::get();
  if (world.running()) world.self().steps = 0;
  FrameMeta meta;
  meta.flags = kFrameKey;
  meta.pts = static_cast<std::int64_t>(number);
  const std::uint64_t published =
      writer_->publish(content_of(number).first(bytes_of(number)), meta);
  if (!world.running()) return;
  if (published != number) world.violate("could not publish");
  std::uint32_t allowed = most_steps();
  if (const Alteration* less = altered(Alteration::What::less_steps, "publish", -1)) {
    allowed -= static_cast<std::uint32_t>(less->value);
  }
  if (world.self().steps > allowed) world.violate("publishing took too many steps");
}

void Stage::forget_writer(std::uint64_t where) {
  const auto bytes = static_cast<std::size_t>(writer_end_ - writer_begin_);
  World::get().forget_history(hash_bytes(writer_begin_, bytes, where));
}

void Stage::forget_reader(int i, std::uint64_t where) {
  const Seat& mine = seat(i);
  World::get().forget_history(hash_bytes(mine.reader.get(), sizeof(RingReader), where));
}

std::size_t Stage::bytes_of(std::uint64_t number) const {
  return options_.sizes_vary && number >= 4 && number <= 6 ? kPieceBytes : kFrameBytes;
}

void Stage::check(const Frame& frame, std::span<const std::byte> bytes) const {
  World& world = World::get();
  if (frame.bytes.size() != bytes_of(frame.number)) world.violate("a frame of another size");
  if (frame.meta.pts != static_cast<std::int64_t>(frame.number)) {
    world.violate("the description of another frame");
  }
  if (std::memcmp(bytes.data(), content_of(frame.number).data(), frame.bytes.size()) != 0) {
    std::uint64_t first = 0, second = 0;
    std::memcpy(&first, bytes.data(), 8);
    std::memcpy(&second, bytes.data() + kPieceBytes, 8);
    world.violate("took for frame " + std::to_string(frame.number) + " what is half " +
                  std::to_string(first) + ", half " + std::to_string(second));
  }
}

std::uint64_t Stage::copy(int i) {
  Frame frame;
  Seat& mine = seat(i);
  const ReadOutcome outcome = mine.reader->copy_next(frame, mine.buffer);
  if (outcome == ReadOutcome::broken) World::get().violate("found the ring broken");
  if (outcome != ReadOutcome::frame) return 0;
  check(frame, frame.bytes);
  return frame.number;
}

std::uint64_t Stage::lease(int i) {
  Frame frame;
  const ReadOutcome outcome = seat(i).reader->lease_next(frame);
  if (outcome == ReadOutcome::broken) World::get().violate("found the ring broken");
  if (outcome != ReadOutcome::frame) return 0;
  finish_lease(i, frame);
  return frame.number;
}

void Stage::finish_lease(int i, const Frame& frame) {
  Seat& mine = seat(i);
  look(frame.bytes, mine.buffer);
  const bool trusted = mine.reader->lease_valid(frame);
  mine.reader->release(frame);
  settle_looks();  // at last: only a mutant that lets go too early has any left
  if (trusted) check(frame, mine.buffer);
}

void Stage::sleep(int i) {
  RingReader& reader = *seat(i).reader;
  std::uint32_t word = 0;
  const bool ignore = altered(Alteration::What::no_answer, "arm", -1) != nullptr;
  if (!reader.arm(word) && !ignore) return;
  reader.sleep(word, 1'000'000'000);
  reader.disarm();
}

}  // namespace framering::model
