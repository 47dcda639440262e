// SPDX-License-Identifier: Apache-2.0
#include "worlds.h"

#include <cstring>

#include "hooks.h"
#include "stage.h"

namespace framering::model {
namespace {

// Builds a world; `fill` gets the stage and adds threads. What they capture lives in the world.
template <typename Fill>
std::function<void()> stage(const StageOptions& options, Fill fill) {
  return [options, fill] {
    World& world = World::get();
    world.begin_setup();
    Stage* const made = new Stage(options);  // never deleted: the region is emptied as a whole
    fill(*made);
    made->track();
    world.end_setup();
  };
}

void add_writer(Stage& stage, std::uint64_t first, std::uint64_t last, bool forgets = true) {
  World::get().add_thread("writer", true, [&stage, first, last, forgets] {
    for (std::uint64_t number = first; number <= last; ++number) {
      stage.publish(number);
      if (forgets) stage.forget_writer(number);
    }
  });
}

constexpr const char* kReaderNames[] = {"reader 0", "reader 1"};

template <typename Body>
void add_reader(int seat, Body body) {
  World::get().add_thread(kReaderNames[seat], false, std::move(body));
}

// `tries` attempts, without sleep.
void add_copier(Stage& stage, int seat, int tries) {
  add_reader(seat, [&stage, seat, tries] {
    for (int i = 0; i < tries; ++i) {
      stage.copy(seat);
      stage.forget_reader(seat, static_cast<std::uint64_t>(i));
    }
  });
}

// One attempt, and over if it fails: what a reader does that was lapped, other worlds show.
void add_single_leaser(Stage& stage, int seat) {
  add_reader(seat, [&stage, seat] {
    World::get().self().slot_looks = 1;
    stage.lease(seat);
  });
}

void add_leaser(Stage& stage, int seat, int tries) {
  add_reader(seat, [&stage, seat, tries] {
    for (int i = 0; i < tries; ++i) {
      stage.lease(seat);
      stage.forget_reader(seat, static_cast<std::uint64_t>(i));
    }
  });
}

// Until frame `last`, asleep in between; loses nothing if `all`.
void add_sleeper(Stage& stage, int seat, std::uint64_t last, bool all) {
  add_reader(seat, [&stage, seat, last, all] {
    std::uint64_t number = 0;
    while (number < last) {
      const std::uint64_t got = stage.copy(seat);
      if (all && stage.seat(seat).reader->counts().lost() != 0) {
        World::get().violate("lost a frame that was kept");
      }
      if (got == 0) stage.sleep(seat);
      if (got != 0) number = got;
      stage.forget_reader(seat, number);
    }
  });
}

StageOptions options(std::uint32_t slots, std::uint32_t cells, int readers, int frames) {
  StageOptions made;
  made.slots = slots;
  made.cells = cells;
  made.readers = readers;
  made.frames = frames;
  return made;
}

// Readers that copy write nothing that another one reads: one stands for any number of them.
std::function<void()> copy_world(std::uint32_t slots, Policy policy, int frames, int more,
                                 int tries) {
  StageOptions with = options(slots, 0, 1, frames);
  with.policy = policy;
  return stage(with, [=](Stage& stage) {
    World::get().fences_meet = false;
    if (policy != Policy::every) stage.track_newest_key();
    add_writer(stage, frames + 1, frames + more);
    add_copier(stage, 0, tries);
  });
}

// Frames are followed while they are written. `given_up`: the first is begun, and then another one
// of the same number is published.
std::function<void()> trail_world(std::uint32_t slots, int frames, int more, int tries,
                                  bool given_up) {
  StageOptions with = options(slots, 0, 1, frames);
  with.trails = true;
  return stage(with, [=](Stage& stage) {
    World::get().fences_meet = false;
    Stage::Seat& mine = stage.seat(0);
    for (Frame had; mine.reader->copy_next(had, mine.buffer) == ReadOutcome::frame;) {
    }
    World::get().add_thread("writer", true, [&stage, frames, more, given_up] {
      RingWriter& writer = stage.writer();
      if (given_up && !writer.reserve(kFrameBytes).empty()) {
        writer.fill(0, content_of(31).first(kPieceBytes));
      }
      for (int n = frames + 1; n <= frames + more; ++n) {
        stage.publish(static_cast<std::uint64_t>(n));
        stage.forget_writer(static_cast<std::uint64_t>(n));
      }
    });
    add_copier(stage, 0, tries);
  });
}

std::function<void()> trail_sleep_world(int frames) {
  StageOptions with = options(8, 0, 1, 0);
  with.trails = true;
  with.sleeps = true;
  return stage(with, [=](Stage& stage) {
    add_writer(stage, 1, static_cast<std::uint64_t>(frames));
    add_sleeper(stage, 0, static_cast<std::uint64_t>(frames), true);
  });
}

// A record that is half of frame 5, half of frame 7 would lead out of the arena.
std::function<void()> sizes_world() {
  StageOptions with = options(2, 0, 1, 5);
  with.sizes_vary = true;
  return stage(with, [](Stage& stage) {
    World::get().fences_meet = false;
    add_writer(stage, 6, 7);
    add_copier(stage, 0, 2);
  });
}

std::function<void()> lease_world(std::uint32_t slots, std::uint32_t cells, int readers, int frames,
                                  int more, int tries) {
  return stage(options(slots, cells, readers, frames), [=](Stage& stage) {
    add_writer(stage, frames + 1, frames + more);
    for (int i = 0; i < readers; ++i) add_leaser(stage, i, tries);
  });
}

// 2 slots, and a still reader holds one of the arena's four places: the slot of a frame is used
// again by the next but one, its bytes by the one after that.
std::function<void()> lapped_world() {
  StageOptions with = options(2, 1, 1, 0);
  with.still_readers = 1;
  return stage(with, [](Stage& stage) {
    stage.publish(1);
    Frame held;
    (void)stage.seat(1).reader->lease_next(held);
    (void)stage.seat(0).reader->copy_next(held, stage.seat(0).buffer);
    stage.publish(2);
    stage.publish(3);
    add_writer(stage, 4, 5);
    add_single_leaser(stage, 0);
  });
}

// A reader's cell still holds frame 5 of another ring. It lets go and leases frame 5 of this one,
// while a still reader holds all other places, so that frame 6 wants the place of frame 5.
std::function<void()> generation_world() {
  StageOptions with = options(8, 3, 1, 3);
  with.still_readers = 1;
  return stage(with, [](Stage& stage) {
    Frame held;
    for (int i = 0; i < 3; ++i) (void)stage.seat(1).reader->lease_next(held);
    stage.publish(4);
    Stage::Seat& mine = stage.seat(0);
    for (int i = 0; i < 4; ++i) (void)mine.reader->copy_next(held, mine.buffer);
    mine.page->lease[0].store(5, std::memory_order_relaxed);
    add_writer(stage, 5, 6);
    add_reader(0, [&stage] {
      stage.seat(0).page->lease[0].store(0, std::memory_order_release);
      stage.lease(0);
    });
  });
}

// All four frames of the arena are leased by two readers when the writer wants the next place.
std::function<void()> revoke_world(int more, bool again) {
  return stage(options(8, 2, 2, 4), [=](Stage& stage) {
    for (int seat = 0; seat < 2; ++seat) {
      Stage::Seat& mine = stage.seat(seat);
      Frame skipped;
      for (int i = 0; i < 2 * seat; ++i) (void)mine.reader->copy_next(skipped, mine.buffer);
      for (Frame& frame : mine.held) (void)mine.reader->lease_next(frame);
    }
    add_writer(stage, 5, 4 + more);
    for (int seat = 0; seat < 2; ++seat) {
      add_reader(seat, [&stage, seat, again] {
        for (const Frame& frame : stage.seat(seat).held) stage.finish_lease(seat, frame);
        stage.forget_reader(seat, 1);
        if (again) stage.lease(seat);
      });
    }
  });
}

std::function<void()> sleep_world(int readers, int frames) {
  StageOptions with = options(8, 0, readers, 0);
  with.sleeps = true;
  return stage(with, [=](Stage& stage) {
    add_writer(stage, 1, frames);
    for (int i = 0; i < readers; ++i) add_sleeper(stage, i, frames, frames <= 4);
  });
}

// The state changes to `ended` after a frame: a sleeper must notice, as stream_reader.cpp does.
std::function<void()> state_world() {
  StageOptions with = options(8, 0, 1, 0);
  with.sleeps = true;
  return stage(with, [](Stage& stage) {
    stage.track_state();
    World::get().add_thread("writer", true, [&stage] {
      stage.publish(1);
      stage.writer().set_state(SourceState::ended);
    });
    add_reader(0, [&stage] {
      RingReader& reader = *stage.seat(0).reader;
      std::uint64_t number = 0;
      while (true) {
        const SourceState before = reader.ring().state();
        const std::uint64_t got = stage.copy(0);
        if (got != 0) number = got;
        if (got == 0 && before == SourceState::ended) break;
        if (got != 0) continue;
        std::uint32_t word = 0;
        if (reader.arm(word)) {
          if (reader.ring().state() == before) reader.sleep(word, 1'000'000'000);
          reader.disarm();
        }
        stage.forget_reader(0, number);
      }
      if (number != 1) World::get().violate("saw the end, but not the frame before it");
    });
  });
}

// A second reader comes while frames flow; as soon as it is told `attached`, it leases and sleeps.
std::function<void()> attach_world(int frames, bool sleeps) {
  StageOptions with = options(4, 1, 0, sleeps ? 0 : 4);
  with.later_readers = 1;
  with.control = true;
  with.sleeps = sleeps;
  return stage(with, [=](Stage& stage) {
    const auto first = static_cast<std::uint64_t>(sleeps ? 1 : 5);
    const std::uint64_t last = first + static_cast<std::uint64_t>(frames) - 1;
    add_writer(stage, first, last, false);
    World::get().add_thread("control", true, [&stage] { stage.add_later(0); });
    add_reader(0, [&stage, sleeps, last] {
      RingReader& reader = *stage.seat(0).reader;
      reader.rebind(stage.seat(0).bell);
      while (!reader.attachment_is(Attachment::attached)) await_last_loaded();
      if (!sleeps) {
        World::get().self().slot_looks = 1;
        stage.lease(0);
        return;
      }
      while (true) {
        const std::uint64_t got = stage.copy(0);
        if (got == last) break;
        if (got == 0) stage.sleep(0);
      }
    });
  });
}

// The only reader is taken out while it leases.
std::function<void()> detach_world(int frames, int tries) {
  StageOptions with = options(4, 1, 1, 4);
  with.control = true;
  return stage(with, [=](Stage& stage) {
    add_writer(stage, 5, 4 + static_cast<std::uint64_t>(frames), false);
    World::get().add_thread("control", true, [&stage] { stage.remove(0); });
    if (tries == 1) {
      add_single_leaser(stage, 0);
    } else {
      add_leaser(stage, 0, tries);
    }
  });
}

std::function<void()> parameter_world(int sets) {
  return stage(options(2, 0, 1, 0), [=](Stage& stage) {
    stage.track_parameter_sets();
    World::get().add_thread("writer", true, [&stage, sets] {
      for (int i = 1; i <= sets; ++i) {
        (void)stage.writer().set_parameter_sets(
            content_of(static_cast<std::uint64_t>(i)).first(64));
      }
    });
    add_reader(0, [&stage] {
      std::array<std::byte, kMaxParameterSetBytes> out{};
      const RingView& ring = stage.seat(0).reader->ring();
      for (const std::uint64_t wanted : {1, 2, 3}) {
        const std::size_t bytes = ring.read_parameter_set(wanted, out);
        if (bytes != 0 && std::memcmp(out.data(), content_of(wanted).data(), 64) != 0) {
          World::get().violate("a parameter set of two halves");
        }
      }
    });
  });
}

// A reader that writes any number in its cell whenever the writer looks; another one is honest.
std::function<void()> hostile_world(int more) {
  return stage(options(8, 1, 2, 4), [=](Stage& stage) {
    add_writer(stage, 5, 4 + static_cast<std::uint64_t>(more));
    add_copier(stage, 0, 1);
    // No choice of its own: it stores them all, and the writer's loads take any of them.
    World::get().add_thread("hostile", false, [&stage] {
      for (const std::uint64_t number : {1, 2, 99, 3, 1}) {
        stage.seat(1).page->lease[0].store(number, std::memory_order_relaxed);
      }
    });
  });
}

}  // namespace

const std::vector<SmallWorld>& worlds() {
  static const std::vector<SmallWorld> all = {
      {"copy", "2 slots, a copying reader, lapped", copy_world(2, Policy::every, 2, 2, 2)},
      {"copy-bytes", "8 slots, 4 frames of arena, a copying reader, lapped",
       copy_world(8, Policy::every, 4, 2, 2)},
      {"copy-newest", "as copy, with the policy newest", copy_world(2, Policy::newest, 2, 2, 2)},
      {"copy-sizes", "frames of two sizes, so that a torn record shows", sizes_world()},
      {"trail", "a reader that copies while the writer does", trail_world(8, 4, 2, 2, false)},
      {"trail-lapped", "as trail, until the frame is overwritten", trail_world(8, 4, 5, 1, false)},
      {"trail-again", "as trail, a frame is begun and given up", trail_world(8, 4, 1, 2, true)},
      {"trail-sleep", "as trail, asleep in between, 2 frames", trail_sleep_world(2)},
      {"lease", "2 slots, a leasing reader with 2 cells", lease_world(2, 2, 1, 2, 2, 2)},
      {"lease-bytes", "8 slots, 4 frames of arena, a leasing reader",
       lease_world(8, 1, 1, 4, 1, 2)},
      {"lease-lapped", "2 slots, a lease on a frame whose slot goes before its bytes",
       lapped_world()},
      {"generation", "a cell that holds the same number of another ring", generation_world()},
      {"lease-chase", "a reader that leases just ahead of the writer",
       lease_world(8, 1, 1, 4, 1, 3)},
      {"revoke", "2 readers with 2 cells hold all there is", revoke_world(1, false)},
      {"sleep", "a sleeping reader, 3 frames, none may be lost", sleep_world(1, 3)},
      {"state", "a sleeping reader, a frame and the stream's end", state_world()},
      {"attach-lease", "a reader comes, and leases", attach_world(1, false)},
      {"attach-sleep", "a reader comes, and sleeps", attach_world(1, true)},
      {"detach", "a reader is taken out while it leases", detach_world(1, 1)},
      {"parameters", "4 parameter sets through 2 buffers", parameter_world(4)},
      {"hostile", "any numbers in a reader page, beside an honest reader", hostile_world(1)},
      {"copy-long", "as copy, 3 frames more", copy_world(2, Policy::every, 2, 3, 2), true},
      {"lease-long", "as lease, 3 frames more", lease_world(2, 2, 1, 2, 3, 2), true},
      {"lease-bytes-long", "as lease-bytes, 2 frames more", lease_world(8, 1, 1, 4, 2, 1), true},
      {"lease-2", "as lease, 2 readers", lease_world(2, 1, 2, 2, 2, 1), true},
      {"revoke-long", "as revoke, and lease again", revoke_world(1, true), true},
      {"sleep-2", "as sleep, 2 readers, 1 frame", sleep_world(2, 1), true},
      {"attach-lease-long", "as attach-lease, 2 frames", attach_world(2, false), true},
      {"attach-sleep-long", "as attach-sleep, 2 frames", attach_world(2, true), true},
      {"hostile-long", "as hostile, 2 frames", hostile_world(2), true},
      {"detach-long", "as detach, two leases", detach_world(1, 2), true},
  };
  return all;
}

}  // namespace framering::model
