// SPDX-License-Identifier: Apache-2.0
#include "worker.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>

#include "ring/clock.h"
#include "ring/futex.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 50ms;
constexpr std::uint64_t kGraceNs = 60'000'000;      // for the last frame to arrive
constexpr std::uint64_t kFallAsleepNs = 3'000'000;  // readers, before the first frame
constexpr std::uint64_t kRehearsalNs = 2'000'000;   // between frames
constexpr std::uint32_t kRehearsalFrames = 48;      // at least: every page was touched once
constexpr std::uint64_t kRehearsalEnd = 10'000'000'000;

void sleep_until(std::uint64_t at_ns) {
  const timespec at{static_cast<time_t>(at_ns / 1'000'000'000),
                    static_cast<long>(at_ns % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

// Returns the count of the next order, which is then in board.order.
std::uint32_t await_order(Board& board, std::uint32_t seen) {
  for (;;) {
    // acquire: the order itself.
    const std::uint32_t count = board.order_count.load(std::memory_order_acquire);
    if (count != seen) return count;
    futex_wait(board.order_count, seen, 1'000'000'000);
  }
}

template <typename Body>
void guarded(Board& board, Body body) {
  try {
    body();
  } catch (const std::exception& error) {
    // relaxed: main reads the text after waiting for this process.
    if (board.failed.fetch_add(1, std::memory_order_relaxed) == 0) {
      std::snprintf(board.error, sizeof board.error, "%s", error.what());
    }
  }
}

class Publisher {
 public:
  Publisher(Board& board, const Terms& terms, Sender& sender)
      : board_(board), terms_(terms), sender_(sender), frame_(terms.bytes, std::byte{7}) {}

  void run(std::uint32_t run) {
    const Order order = board_.order;
    board_.publisher.frames.store(0, std::memory_order_relaxed);
    // Frames come as from a capture device, which interrupts at its time.
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    while (board_.ready.load(std::memory_order_acquire) < terms_.readers) {
      sleep_until(monotonic_ns() + 500'000);
    }
    const bool rehearses = order.kind == Order::Kind::rehearse;
    const std::uint64_t interval_ns = rehearses ? kRehearsalNs : order.interval_ns;
    const std::uint64_t begin_ns = monotonic_ns() + kFallAsleepNs;
    const std::uint64_t until_ns = rehearses ? begin_ns + kRehearsalEnd
                                   : order.duration_ns != 0
                                       ? begin_ns + order.duration_ns
                                       : std::numeric_limits<std::uint64_t>::max();
    board_.publisher.begin_ns = begin_ns;
    board_.publisher.until_ns.store(until_ns, std::memory_order_release);
    sleep_until(begin_ns);
    std::uint32_t index = 0;
    for (; order.frames == 0 || index < order.frames; ++index) {
      if (interval_ns != 0) sleep_until(begin_ns + index * interval_ns);
      if (monotonic_ns() >= until_ns) break;
      if (rehearses && index >= std::min(terms_.kept, kRehearsalFrames) &&
          board_.rehearsed.load(std::memory_order_acquire) >= terms_.readers) {
        break;
      }
      publish(run, index);
    }
    board_.publisher.finished.store(run, std::memory_order_release);
  }

 private:
  void publish(std::uint32_t run, std::uint32_t index) {
    const std::uint64_t number = std::uint64_t{run} << 32 | index;
    std::uint64_t began_ns = 0;
    if (!in_place_) {
      write_numbers(frame_, number);
      began_ns = monotonic_ns();
    } else {
      began_ns = monotonic_ns();
    }
    const std::span<std::byte> room = sender_.place();
    in_place_ = !room.empty();
    if (in_place_) {
      write_numbers(room, number);
      write_time(room, began_ns);
      sender_.publish(room);
    } else {
      write_time(frame_, began_ns);
      sender_.publish(frame_);
    }
    const std::uint64_t took_ns = monotonic_ns() - began_ns;
    board_.publisher.frames.store(index + 1, std::memory_order_release);
    if (index >= kMostFrames) return;
    board_.publisher.began_ns[index] = began_ns;
    board_.publisher.took_ns[index] =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(took_ns, UINT32_MAX));
  }

  Board& board_;
  const Terms& terms_;
  Sender& sender_;
  std::vector<std::byte> frame_;  // as an encoder's buffer
  bool in_place_ = false;         // as it turned out with the frame before
};

class Reader {
 public:
  Reader(Board& board, const Terms& terms, Receiver& receiver, std::uint32_t number)
      : board_(board),
        terms_(terms),
        receiver_(receiver),
        number_(number),
        mine_(board.reader[number]) {}

  void run(std::uint32_t run) {
    const Order order = board_.order;
    mine_.frames = mine_.torn = 0;
    std::ranges::fill(mine_.latency_ns, 0);
    bool armed = order.worst_reader != number_;
    bool greeted = false;
    board_.ready.fetch_add(1, std::memory_order_release);
    for (std::uint64_t last_ns = monotonic_ns();;) {
      const Taken taken = receiver_.take(kPatience);
      const std::uint64_t now_ns = taken.at_ns != 0 ? taken.at_ns : monotonic_ns();
      if (taken.bytes.empty()) {
        const bool over = board_.publisher.finished.load(std::memory_order_acquire) == run;
        if (over && now_ns > last_ns + kGraceNs) break;
        continue;
      }
      const Stamp stamp = stamp_of(taken.bytes);
      const bool ours = stamp.number >> 32 == run;  // not left over from the run before
      const bool whole = taken.bytes.size() == terms_.bytes && is_whole(taken.bytes, stamp.number);
      const bool kept = receiver_.give_back();
      if (!ours) continue;
      last_ns = now_ns;
      const auto index = static_cast<std::uint32_t>(stamp.number);
      if (!whole || !kept) {
        ++mine_.torn;
        continue;
      }
      note(index, stamp.began_ns, now_ns);
      if (order.kind == Order::Kind::rehearse && !greeted) {
        greeted = true;
        board_.rehearsed.fetch_add(1, std::memory_order_release);
      }
      if (!armed && index >= order.worst_frame) {
        arm_worst_moment();
        armed = true;
      }
      if (order.frames != 0 && index + 1 == order.frames) break;
    }
  }

 private:
  void note(std::uint32_t index, std::uint64_t began_ns, std::uint64_t now_ns) {
    if (now_ns <= board_.publisher.until_ns.load(std::memory_order_relaxed)) ++mine_.frames;
    if (index >= kMostFrames) return;
    mine_.latency_ns[index] =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(now_ns - began_ns, 1, UINT32_MAX));
  }

  Board& board_;
  const Terms& terms_;
  Receiver& receiver_;
  const std::uint32_t number_;
  Board::Reader& mine_;
};

template <typename Role>
void serve(Board& board, Role& role) {
  for (std::uint32_t seen = 0;;) {
    seen = await_order(board, seen);
    if (board.order.kind == Order::Kind::quit) return;
    role.run(seen);
    // release: main sees our figures.
    board.done.fetch_add(1, std::memory_order_release);
  }
}

}  // namespace

void serve_as_publisher(Board& board, const Terms& terms, Rival& rival) {
  guarded(board, [&] {
    const std::unique_ptr<Sender> sender = rival.sender();
    Publisher publisher(board, terms, *sender);
    board.done.fetch_add(1, std::memory_order_release);
    serve(board, publisher);
  });
}

void serve_as_reader(Board& board, const Terms& terms, Rival& rival, std::uint32_t number) {
  guarded(board, [&] {
    const std::unique_ptr<Receiver> receiver = rival.receiver(number);
    Reader reader(board, terms, *receiver, number);
    board.done.fetch_add(1, std::memory_order_release);
    serve(board, reader);
  });
}

}  // namespace framering::bench
