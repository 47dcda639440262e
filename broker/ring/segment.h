// SPDX-License-Identifier: Apache-2.0
//
// Sealed shared memory: made by its one writer, checked and mapped read-only by everybody else.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "fd.h"

namespace framering {

// Memory that this process writes. The memfd is allocated in full, mapped and touched, and only
// then sealed with F_SEAL_SHRINK | GROW | FUTURE_WRITE | SEAL (memfd_create(2), fcntl(2)): from
// then on no process, this one included, can get another writable mapping, write(2), resize or
// punch it.
class OwnSegment {
 public:
  // `name` shows in /proc/PID/maps. `bytes` is rounded up to whole pages and reads as zero.
  // Throws std::system_error naming the step that failed.
  OwnSegment(const std::string& name, std::size_t bytes);

  [[nodiscard]] std::byte* data() const noexcept {
    return static_cast<std::byte*>(region_.get_address());
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return region_.get_size(); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }  // stays owned here

 private:
  Fd fd_;
  boost::interprocess::mapped_region region_;
};

// Why a descriptor from another process was not mapped.
enum class SegmentFault {
  none,
  not_shared_memory,  // no memfd on ordinary shared memory (a file, a device, huge pages)
  not_sealed,         // one of the four seals is missing
  read_only,  // not open for writing, so that its blocks cannot be told from those beyond its end
  wrong_size,
  sparse,  // not all of its blocks are allocated: a touch could fail or be charged to us
  map_failed,
};
// A sentence for people; names what was wrong and what the other side must do.
[[nodiscard]] const char* describe(SegmentFault fault) noexcept;

// Memory that another process writes, mapped read-only and touched. Everything in it is a claim.
class ForeignSegment {
 public:
  ForeignSegment() = default;

  // Checks and maps `fd`, whose length must be within [min_bytes, max_bytes]. Does not take the
  // descriptor: the mapping holds the memory. On a fault the object stays empty.
  [[nodiscard]] SegmentFault map(int fd, std::size_t min_bytes, std::size_t max_bytes);

  [[nodiscard]] const std::byte* data() const noexcept {
    return static_cast<const std::byte*>(region_.get_address());
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return region_.get_size(); }
  [[nodiscard]] bool mapped() const noexcept { return region_.get_address() != nullptr; }

 private:
  boost::interprocess::mapped_region region_;
};

}  // namespace framering
