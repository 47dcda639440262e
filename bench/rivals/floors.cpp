// SPDX-License-Identifier: Apache-2.0
//
// Copies and wake-ups alone, with nothing that protects the bytes: what no lane can be expected to
// beat by much.
#include <sys/mman.h>

#include <cstring>
#include <new>
#include <system_error>

#include "ring/clock.h"
#include "ring/futex.h"
#include "rival.h"
#include "shared_word.h"

namespace framering::bench {
namespace {

constexpr std::uint32_t kMostReaders = 64;

void* shared_memory(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return memory;
}

struct Words {
  alignas(64) SharedU64 head{0};
  struct alignas(64) Word {
    SharedU32 value{0};
  } bell[kMostReaders];
};

// A fork does not inherit the page tables of shared memory: each process looks at every page first,
// or its faults would be in the figures.
void touch(const std::byte* memory, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 4096) {
    (void)*static_cast<const volatile std::byte*>(memory + at);
  }
}

struct Floor {
  Words& words;
  std::byte* arena;
  std::size_t stride;
  const Terms terms;

  [[nodiscard]] std::byte* place_of(std::uint64_t number) const {
    return arena + number % terms.kept * stride;
  }
};

class FloorSender : public Sender {
 public:
  FloorSender(const Floor& floor, bool wakes) : floor_(floor), wakes_(wakes) {
    std::memset(floor.arena, 0, floor.stride * floor.terms.kept);
  }
  void publish(std::span<const std::byte> frame) override {
    const std::uint64_t head = floor_.words.head.load(std::memory_order_relaxed);
    std::memcpy(floor_.place_of(head), frame.data(), frame.size());
    // release: who sees the head sees the bytes. One writer.
    floor_.words.head.store(head + 1, std::memory_order_release);
    for (std::uint32_t i = 0; wakes_ && i < floor_.terms.readers; ++i) {
      floor_.words.bell[i].value.fetch_add(1, std::memory_order_release);
      futex_wake(floor_.words.bell[i].value);
    }
  }

 private:
  const Floor floor_;
  const bool wakes_;
};

class FloorReceiver : public Receiver {
 public:
  FloorReceiver(const Floor& floor, std::uint32_t number)
      : floor_(floor), bell_(floor.words.bell[number].value), buffer_(floor.terms.bytes) {
    touch(floor.arena, floor.stride * floor.terms.kept);
  }

  Taken take(std::chrono::milliseconds patience) override {
    const std::int64_t patience_ns = std::chrono::nanoseconds(patience).count();
    const std::uint64_t until_ns = monotonic_ns() + static_cast<std::uint64_t>(patience_ns);
    std::uint64_t head = 0;
    for (;;) {
      const std::uint32_t seen = bell_.load(std::memory_order_acquire);
      head = floor_.words.head.load(std::memory_order_acquire);
      if (head > next_) break;
      if (monotonic_ns() >= until_ns) return {};
      futex_wait(bell_, seen, patience_ns);
    }
    if (head - next_ >= floor_.terms.kept) next_ = head - 1;  // overrun: on with the newest
    std::memcpy(buffer_.data(), floor_.place_of(next_++), buffer_.size());
    return {buffer_, 0};
  }

 private:
  const Floor floor_;
  const SharedU32& bell_;
  std::vector<std::byte> buffer_;
  std::uint64_t next_ = 0;
};

class FloorRival : public Rival {
 public:
  FloorRival(const Terms& terms, bool wakes)
      : stride_((terms.bytes + 63) / 64 * 64),
        words_(new (shared_memory(sizeof(Words))) Words),
        arena_(static_cast<std::byte*>(shared_memory(stride_ * terms.kept))),
        terms_(terms),
        wakes_(wakes) {}
  ~FloorRival() override {
    ::munmap(words_, sizeof(Words));
    ::munmap(arena_, stride_ * terms_.kept);
  }
  FloorRival(const FloorRival&) = delete;
  FloorRival& operator=(const FloorRival&) = delete;

  std::unique_ptr<Sender> sender() override {
    return std::make_unique<FloorSender>(floor(), wakes_);
  }
  std::unique_ptr<Receiver> receiver(std::uint32_t number) override {
    return std::make_unique<FloorReceiver>(floor(), number);
  }

 private:
  [[nodiscard]] Floor floor() const { return {*words_, arena_, stride_, terms_}; }

  const std::size_t stride_;
  Words* const words_;
  std::byte* const arena_;
  const Terms terms_;
  const bool wakes_;
};

template <bool wakes>
std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<FloorRival>(terms, wakes);
}

}  // namespace

std::vector<RivalInfo> floor_lanes() {
  const std::string how =
      "one memcpy in, FUTEX_WAKE on a word for each reader, one memcpy out; nothing protects the "
      "bytes";
  return {{"memcpy", "memcpy, no reader", Kind::floor, false, false, make<false>, "",
           "one memcpy into memory of the same size"},
          {"floor", "copy + wake + copy", Kind::floor, false, true, make<true>, "", how},
          {"floor-again", "  again (A/A)", Kind::floor, false, true, make<true>, "", how}};
}

}  // namespace framering::bench
