// SPDX-License-Identifier: Apache-2.0
//
// One slot in shared memory behind a file lock, looked at every millisecond: the behaviour of
// uStreamer's memsink, written after its description.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "ring/clock.h"
#include "ring/fd.h"
#include "rival.h"

namespace framering::bench {
namespace {

constexpr useconds_t kPollUs = 1000;
constexpr std::uint64_t kLockPatienceNs = 1'000'000'000;

// Every word is read and written with the lock held.
struct Slot {
  std::uint64_t id;
  std::uint64_t used;
  std::uint64_t last_client_ns;
};

class SlotMemory {
 public:
  // A lock belongs to an open file, so each process opens the memory anew.
  SlotMemory(int memory, std::size_t bytes)
      : fd_(::open(("/proc/self/fd/" + std::to_string(memory)).c_str(), O_RDWR | O_CLOEXEC)),
        bytes_(sizeof(Slot) + bytes) {
    map_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (map_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap slot");
  }
  ~SlotMemory() { ::munmap(map_, bytes_); }
  SlotMemory(const SlotMemory&) = delete;
  SlotMemory& operator=(const SlotMemory&) = delete;

  [[nodiscard]] bool lock() const {
    const std::uint64_t until_ns = monotonic_ns() + kLockPatienceNs;
    while (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (monotonic_ns() >= until_ns) return false;
      ::usleep(kPollUs);
    }
    return true;
  }
  void unlock() const { ::flock(fd_.get(), LOCK_UN); }
  [[nodiscard]] Slot& slot() const { return *static_cast<Slot*>(map_); }
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(map_) + sizeof(Slot); }

 private:
  const Fd fd_;
  const std::size_t bytes_;
  void* map_ = nullptr;
};

class SlotSender : public Sender {
 public:
  SlotSender(int memory, std::size_t bytes) : memory_(memory, bytes) {}
  void publish(std::span<const std::byte> frame) override {
    if (!memory_.lock()) return;  // a second without the lock: the frame is skipped
    Slot& slot = memory_.slot();
    slot.id += 1;
    std::memcpy(memory_.data(), frame.data(), frame.size());
    slot.used = frame.size();
    memory_.unlock();
  }

 private:
  const SlotMemory memory_;
};

class SlotReceiver : public Receiver {
 public:
  SlotReceiver(int memory, std::size_t bytes) : memory_(memory, bytes), buffer_(bytes) {}
  Taken take(std::chrono::milliseconds patience) override {
    const std::uint64_t until_ns =
        monotonic_ns() + static_cast<std::uint64_t>(std::chrono::nanoseconds(patience).count());
    for (;;) {
      if (const std::size_t size = look(); size != 0) return {{buffer_.data(), size}, 0};
      if (monotonic_ns() >= until_ns) return {};
      ::usleep(kPollUs);
    }
  }

 private:
  std::size_t look() {
    if (!memory_.lock()) return 0;
    Slot& slot = memory_.slot();
    std::size_t size = 0;
    if (slot.id != last_id_) {
      last_id_ = slot.id;
      at_worst_moment();
      size = std::min<std::size_t>(slot.used, buffer_.size());
      std::memcpy(buffer_.data(), memory_.data(), size);
    }
    slot.last_client_ns = monotonic_ns();
    memory_.unlock();
    return size;
  }

  const SlotMemory memory_;
  std::vector<std::byte> buffer_;
  std::uint64_t last_id_ = 0;
};

class FlockSlot : public Rival {
 public:
  explicit FlockSlot(const Terms& terms)
      : memory_(::memfd_create("bench-slot", MFD_CLOEXEC)), bytes_(terms.bytes) {
    if (!memory_ || ::ftruncate(memory_.get(), static_cast<off_t>(sizeof(Slot) + bytes_)) != 0) {
      throw std::system_error(errno, std::generic_category(), "memfd of the slot");
    }
  }
  std::unique_ptr<Sender> sender() override {
    return std::make_unique<SlotSender>(memory_.get(), bytes_);
  }
  std::unique_ptr<Receiver> receiver(std::uint32_t) override {
    return std::make_unique<SlotReceiver>(memory_.get(), bytes_);
  }

 private:
  const Fd memory_;
  const std::size_t bytes_;
};

std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<FlockSlot>(terms);
}

}  // namespace

std::vector<RivalInfo> flock_slot_lanes() {
  return {{"flock-slot", "flock + poll, one slot", Kind::rival, false, true, make, "",
           "as uStreamer's memsink: flock(LOCK_EX | LOCK_NB), again after 1 ms for up to 1 s; "
           "memcpy in and out with the lock held; readers look every 1 ms"}};
}

}  // namespace framering::bench
