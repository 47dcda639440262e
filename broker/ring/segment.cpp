// SPDX-License-Identifier: Apache-2.0
#include "ring/segment.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <system_error>

#include "ring_layout.h"

namespace framering {
namespace {

namespace bip = boost::interprocess;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// Lets boost::interprocess::mapped_region map a descriptor that it does not own.
class Mappable {
 public:
  explicit Mappable(int fd) noexcept : fd_(fd) {}
  [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const noexcept { return {fd_, false}; }

 private:
  int fd_;
};

constexpr unsigned kMfdNoexecSeal = 8;  // Linux 6.3; older headers do not name it

// Where vm.memfd_noexec is 2, memory that does not renounce being run is refused; kernels before
// 6.3 do not know how to.
int make_memfd(const char* name) noexcept {
  const int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdNoexecSeal);
  return fd >= 0 || errno != EINVAL ? fd : ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

[[noreturn]] void fail(const std::string& name, const char* step) {
  throw std::system_error(errno, std::generic_category(), "shared memory '" + name + "': " + step);
}

}  // namespace

OwnSegment::OwnSegment(const std::string& name, std::size_t bytes) : fd_(make_memfd(name.c_str())) {
  if (!fd_) fail(name, "memfd_create");
  const std::size_t length = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (::ftruncate(fd_.get(), static_cast<off_t>(length)) != 0) fail(name, "ftruncate");
  // Every block now, so that no store can fail later for want of memory.
  if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(length)) != 0) fail(name, "fallocate");
  try {
    // MAP_POPULATE: a first touch costs microseconds a page; pay before the first frame.
    region_ = bip::mapped_region(Mappable(fd_.get()), bip::read_write, 0, length, nullptr,
                                 MAP_SHARED | MAP_POPULATE);
  } catch (const bip::interprocess_exception& error) {
    errno = error.get_native_error();
    fail(name, "mmap");
  }
  if (::fcntl(fd_.get(), F_ADD_SEALS, kSeals) != 0) fail(name, "sealing (F_ADD_SEALS)");
}

const char* describe(SegmentFault fault) noexcept {
  switch (fault) {
    case SegmentFault::none:
      return "mapped";
    case SegmentFault::not_shared_memory:
      return "the descriptor is not ordinary shared memory: pass a memfd without MFD_HUGETLB";
    case SegmentFault::not_sealed:
      return "the memfd lacks a seal: add F_SEAL_SHRINK, GROW, FUTURE_WRITE and SEAL after mapping "
             "it";
    case SegmentFault::read_only:
      return "the descriptor is not open for writing: pass the one that memfd_create returned";
    case SegmentFault::wrong_size:
      return "the memfd has the wrong length";
    case SegmentFault::sparse:
      return "the memfd has holes: fallocate it in full before sealing it";
    case SegmentFault::map_failed:
      return "mapping the memfd failed: out of memory or address space";
  }
  return "unknown fault";
}

SegmentFault ForeignSegment::map(int fd, std::size_t min_bytes, std::size_t max_bytes) {
  // Seals first. Nothing else may be asked of a file before it is known to be shared memory: what
  // lies on a neighbour's own file system (FUSE) could keep us waiting. And with the seals in
  // place, size and blocks can no longer change under us.
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return SegmentFault::not_shared_memory;
  struct statfs file_system {};
  struct stat status {};
  if (::fstatfs(fd, &file_system) != 0 || file_system.f_type != TMPFS_MAGIC ||
      ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    return SegmentFault::not_shared_memory;
  }
  if ((seals & kSeals) != kSeals) return SegmentFault::not_sealed;
  // Blocks beyond the end (FALLOC_FL_KEEP_SIZE) would make up for holes in the count below, and its
  // owner could take them away afterwards. This drops them; with the seals no more can come.
  if (::ftruncate(fd, status.st_size) != 0 || ::fstat(fd, &status) != 0) {
    return SegmentFault::read_only;
  }
  const auto length = static_cast<std::uint64_t>(status.st_size);
  if (status.st_size <= 0 || length < min_bytes || length > max_bytes) {
    return SegmentFault::wrong_size;
  }
  if (static_cast<std::uint64_t>(status.st_blocks) * 512 < length) return SegmentFault::sparse;
  try {
    region_ = bip::mapped_region(Mappable(fd), bip::read_only, 0, length, nullptr,
                                 MAP_SHARED | MAP_POPULATE);
  } catch (const bip::interprocess_exception&) {
    return SegmentFault::map_failed;
  }
  return SegmentFault::none;
}

}  // namespace framering
