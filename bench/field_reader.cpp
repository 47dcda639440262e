// SPDX-License-Identifier: Apache-2.0
#include "field_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "ring/clock.h"
#include "ring/futex.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 500ms;  // for the next frame of a run; then the rest counts as lost

}  // namespace

Wait wait_of(Lane lane) {
  switch (lane) {
    case Lane::eventfd_copy:
      return Wait::eventfd;
    case Lane::line_copy:
      return Wait::line;
    case Lane::predictive_copy:
      return Wait::predictive;
    default:
      return Wait::futex;
  }
}

FieldReader::FieldReader(FieldBoard& board, const Place& place, const std::string& socket_dir,
                         const std::string& prefix)
    : board_(board), place_(place), buffer_(place.bytes) {
  for (const char* name : kWaitNames) {
    ReaderOptions options;
    options.stream = prefix + "/" + name;
    options.socket_dir = socket_dir;
    options.name = "floor-bench";
    options.policy = Policy::every;
    options.start = Start::head;
    options.bell = streams_.size() == 1   ? Bell::eventfd
                   : streams_.size() == 2 ? Bell::line
                                          : Bell::futex;
    options.predictive = streams_.size() == 3;
    streams_.emplace_back(options);
  }
}

void FieldReader::attach() {
  const auto attached = [](const StreamReader& stream) { return stream.link() == Link::attached; };
  while (!std::ranges::all_of(streams_, attached)) {
    Frame frame;
    for (StreamReader& stream : streams_) (void)stream.next(frame, 0ns);
    std::this_thread::sleep_for(5ms);
  }
  // release: who counts us in sees that we are there.
  board_.ready.fetch_add(1, std::memory_order_release);
}

void FieldReader::serve() {
  attach();
  for (std::uint32_t seen = 0;;) {
    // acquire: the rest of the order.
    const std::uint32_t order = board_.order.load(std::memory_order_acquire);
    if (order == seen) {
      futex_wait(board_.order, seen, 1'000'000'000);
      continue;
    }
    seen = order;
    const Lane lane = board_.lane;
    const bool spare = place_.number + 1 == place_.of;
    if (spare && lane != Lane::stopped_reader) continue;
    StreamReader& stream = streams_[static_cast<std::size_t>(wait_of(lane))];
    Frame left_over;
    while (stream.next(left_over, 0ns) != ReadResult::timeout) {
    }
    board_.ready.fetch_add(1, std::memory_order_release);
    switch (lane) {
      case Lane::raw_futex:
      case Lane::raw_futex_again:
        read_raw(false);
        break;
      case Lane::raw_eventfd:
        read_raw(true);
        break;
      case Lane::futex_lease:
      case Lane::in_place_lease:
      case Lane::small_lease:
        read_ring(stream, true);
        break;
      default:
        read_ring(stream, false);
        break;
    }
    board_.done.fetch_add(1, std::memory_order_release);
  }
}

void FieldReader::note(std::uint32_t frame, std::uint64_t now_ns) {
  const std::uint64_t took_ns = now_ns - board_.began_ns[frame];
  board_.latency_ns[place_.number][frame] =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(took_ns, 1, UINT32_MAX));
}

void FieldReader::read_ring(StreamReader& reader, bool lease) {
  Frame frame;
  for (;;) {
    const ReadResult result =
        lease ? reader.lease_next(frame, kPatience) : reader.next(frame, kPatience);
    if (result == ReadResult::timeout) return;
    if (result != ReadResult::frame) continue;
    const std::uint64_t now_ns = monotonic_ns();
    if (lease) reader.release(frame);
    if (frame.number <= board_.first) continue;
    const auto index = static_cast<std::uint32_t>(frame.number - board_.first - 1);
    if (index >= board_.frames) return;
    note(index, now_ns);
    if (index + 1 == board_.frames) return;
  }
}

void FieldReader::read_raw(bool by_eventfd) {
  const SharedU32& word = board_.raw_word[place_.number].value;
  constexpr auto patience_ns = std::chrono::nanoseconds(kPatience).count();
  for (std::uint32_t frame = 0; frame < board_.frames; ++frame) {
    const std::uint64_t wanted = board_.first + frame + 1;
    const std::uint64_t begin_ns = monotonic_ns();
    for (;;) {
      const std::uint32_t seen = word.load(std::memory_order_acquire);
      if (board_.raw_head.load(std::memory_order_acquire) >= wanted) break;
      if (by_eventfd) {
        std::uint64_t count = 0;
        (void)!::read(place_.event, &count, sizeof count);
      } else {
        futex_wait(word, seen, patience_ns);
      }
      if (monotonic_ns() - begin_ns > static_cast<std::uint64_t>(patience_ns)) return;
    }
    std::memcpy(buffer_.data(),
                place_.arena + raw_position(frame, buffer_.size(), place_.footprint),
                buffer_.size());
    note(frame, monotonic_ns());
  }
}

}  // namespace framering::bench
