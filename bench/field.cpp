// SPDX-License-Identifier: Apache-2.0
#include "field.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "field_reader.h"
#include "ring/clock.h"
#include "ring/futex.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 20s;
constexpr std::uint32_t kSmallBytes = 64;  // of Lane::small_lease

void* shared_memory(std::size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return memory;
}

void sleep_until(std::uint64_t at_ns) {
  const timespec at{static_cast<time_t>(at_ns / 1'000'000'000),
                    static_cast<long>(at_ns % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

}  // namespace

Field::Field(const Scenario& scenario, const std::string& socket_dir, const std::string& prefix)
    : scenario_(scenario),
      readers_(scenario.readers + 1),
      footprint_(std::max<std::uint64_t>(kFootprint, std::uint64_t{5} * scenario.bytes)),
      payload_(scenario.bytes, std::byte{7}) {
  board_ = new (shared_memory(sizeof(FieldBoard))) FieldBoard;
  arena_ = static_cast<std::byte*>(shared_memory(footprint_));
  // Before the first thread (StreamWriter has one): the children are forks.
  for (std::uint32_t i = 0; i < readers_; ++i) {
    events_.emplace_back(::eventfd(0, EFD_CLOEXEC));
    const FieldReader::Place place{i,          readers_, scenario_.bytes,
                                   footprint_, arena_,   events_.back().get()};
    children_.emplace_back([&] { FieldReader(*board_, place, socket_dir, prefix).serve(); });
  }
  for (std::size_t i = 0; i < writers_.size(); ++i) {
    WriterOptions options;
    options.stream = prefix + "/" + kWaitNames[i];
    options.socket_dir = socket_dir;
    options.program = "floor-bench";
    options.history_bytes = footprint_;
    options.max_readers = kMaxBenchReaders;
    writers_[i] = std::make_unique<StreamWriter>(options);
    writers_[i]->set_state(SourceState::live);
  }
  wait_until(board_->ready, readers_, "the readers to attach");
}

Field::~Field() {
  children_.clear();
  for (auto& writer : writers_) writer.reset();
  ::munmap(board_, sizeof(FieldBoard));
  ::munmap(arena_, footprint_);
}

void Field::wait_until(const SharedU32& word, std::uint32_t wanted, const char* what) {
  const auto give_up = std::chrono::steady_clock::now() + kStartPatience;
  while (word.load(std::memory_order_acquire) < wanted) {
    if (std::chrono::steady_clock::now() > give_up) {
      throw std::runtime_error(std::string("waited too long for ") + what + ": " +
                               std::to_string(word.load(std::memory_order_relaxed)) + " of " +
                               std::to_string(wanted));
    }
    std::this_thread::sleep_for(1ms);
  }
}

StreamWriter& Field::writer_of(Lane lane) {
  return *writers_[static_cast<std::size_t>(wait_of(lane))];
}

RunFigures Field::run(Lane lane) {
  const LaneFacts& facts = kLanes[index_of(lane)];
  const bool stops = lane == Lane::stopped_reader;
  const std::uint32_t taking_part = !facts.reads ? 0 : stops ? readers_ : scenario_.readers;
  const bool raw = lane == Lane::raw_futex || lane == Lane::raw_futex_again ||
                   lane == Lane::raw_eventfd || lane == Lane::copy_only;
  std::memset(board_->latency_ns, 0, sizeof board_->latency_ns);
  board_->lane = lane;
  board_->frames = scenario_.frames;
  board_->first = raw ? board_->raw_head.load(std::memory_order_relaxed) : writer_of(lane).head();
  board_->ready.store(0, std::memory_order_relaxed);
  board_->done.store(0, std::memory_order_relaxed);
  if (taking_part != 0) {
    board_->order.fetch_add(1, std::memory_order_release);
    ::syscall(SYS_futex, &board_->order, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
    wait_until(board_->ready, taking_part, "the readers to be ready");
    sleep_until(monotonic_ns() + 3'000'000);  // they fall asleep
  }
  if (stops) ::kill(children_.back().pid(), SIGSTOP);

  // Frames come as from a capture device, which interrupts at its time: nobody else's timer moves
  // them. (The readers were forked before this and keep the usual slack.)
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  RunFigures figures;
  const std::uint64_t interval_ns = 1'000'000'000 / scenario_.fps;
  const std::uint64_t start_ns = monotonic_ns() + interval_ns;
  for (std::uint32_t frame = 0; frame < scenario_.frames; ++frame) {
    sleep_until(start_ns + frame * interval_ns);
    const std::uint64_t began_ns = monotonic_ns();
    board_->began_ns[frame] = began_ns;
    publish(lane, frame);
    const std::uint64_t took_ns = monotonic_ns() - began_ns;
    if (frame >= kWarmUp) figures.publish.push_back(static_cast<std::uint32_t>(took_ns));
  }
  if (stops) ::kill(children_.back().pid(), SIGCONT);
  if (taking_part != 0) wait_until(board_->done, taking_part, "the readers to finish");
  for (std::uint32_t reader = 0; reader < scenario_.readers && facts.reads; ++reader) {
    for (std::uint32_t frame = kWarmUp; frame < scenario_.frames; ++frame) {
      const std::uint32_t latency = board_->latency_ns[reader][frame];
      if (latency == 0) {
        ++figures.lost;
      } else {
        figures.latency.push_back(latency);
      }
    }
  }
  return figures;
}

void Field::publish(Lane lane, std::uint32_t frame) {
  FrameMeta meta;
  meta.flags = kFrameKey;
  meta.codec = kCodecPattern;
  switch (lane) {
    case Lane::copy_only:
      return publish_raw(frame);
    case Lane::raw_futex:
    case Lane::raw_futex_again:
      publish_raw(frame);
      for (std::uint32_t i = 0; i < scenario_.readers; ++i) {
        board_->raw_word[i].value.fetch_add(1, std::memory_order_release);
        futex_wake(board_->raw_word[i].value);
      }
      return;
    case Lane::raw_eventfd:
      publish_raw(frame);
      for (std::uint32_t i = 0; i < scenario_.readers; ++i) {
        constexpr std::uint64_t one = 1;
        (void)!::write(events_[i].get(), &one, sizeof one);
      }
      return;
    case Lane::in_place_lease:
    case Lane::small_lease: {
      const std::size_t bytes = lane == Lane::small_lease ? kSmallBytes : scenario_.bytes;
      const std::span<std::byte> room = writer_of(lane).reserve(bytes);
      std::memcpy(room.data(), payload_.data(), std::min<std::size_t>(bytes, kSmallBytes));
      writer_of(lane).commit(bytes, meta);
      return;
    }
    default:
      writer_of(lane).publish(payload_, meta);
  }
}

void Field::publish_raw(std::uint32_t frame) {
  std::memcpy(arena_ + raw_position(frame, payload_.size(), footprint_), payload_.data(),
              payload_.size());
  // release: who sees the head sees the bytes. One writer.
  board_->raw_head.store(board_->raw_head.load(std::memory_order_relaxed) + 1,
                         std::memory_order_release);
}

}  // namespace framering::bench
