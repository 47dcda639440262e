// SPDX-License-Identifier: Apache-2.0
//
// As much of a kernel as the real ring code needs, small enough to be put back to an earlier state:
// the linker sends its calls here (--wrap in meson.build). Time stands still.
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "hooks.h"
#include "word.h"
#include "world.h"

using framering::model::Block;
using framering::model::World;

namespace {

constexpr int kFirstFd = 1000;  // of block 0
constexpr int kOtherFd = 2000;  // ends of lines

bool is_block(int fd) {
  return fd >= kFirstFd && fd < kFirstFd + framering::model::kMaxBlocks;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier): the linker's names
extern "C" {

int __wrap_memfd_create(const char* name, unsigned /*flags*/) {
  return kFirstFd + World::get().add_block(name);
}

int __wrap_ftruncate(int fd, off_t bytes) {
  World::get().block(fd - kFirstFd).bytes = static_cast<std::size_t>(bytes);
  return 0;
}

int __wrap_fallocate(int /*fd*/, int /*mode*/, off_t /*offset*/, off_t /*bytes*/) {
  return 0;
}

void* __wrap_mmap(void* /*wish*/, size_t bytes, int protection, int /*flags*/, int fd,
                  off_t /*offset*/) {
  if (!is_block(fd) || bytes > framering::model::kBlockBytes) abort();
  World& world = World::get();
  if ((protection & PROT_WRITE) == 0) ++world.block(fd - kFirstFd).read_only_mappings;
  return world.block_data(fd - kFirstFd);
}

int __wrap_munmap(void* address, size_t /*bytes*/) {
  World& world = World::get();
  const int block = world.block_of(address);
  if (block < 0) abort();
  // Each page is mapped for writing once, by its owner, who outlives every world.
  if (world.block(block).read_only_mappings > 0) --world.block(block).read_only_mappings;
  return 0;
}

int __wrap_fcntl(int fd, int command, ...) {
  switch (command) {
    case F_GET_SEALS:
      return F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
    case F_DUPFD_CLOEXEC:
      return fd;
    default:
      return 0;
  }
}

int __wrap_fstat(int fd, struct stat* status) {
  *status = {};
  status->st_mode = S_IFREG;
  status->st_size = static_cast<off_t>(World::get().block(fd - kFirstFd).bytes);
  status->st_blocks = status->st_size / 512;
  return 0;
}

int __wrap_fstatfs(int /*fd*/, struct statfs* file_system) {
  *file_system = {};
  file_system->f_type = TMPFS_MAGIC;
  return 0;
}

int __wrap_close(int /*fd*/) {
  return 0;
}

int __wrap_socketpair(int /*family*/, int /*type*/, int /*protocol*/, int ends[2]) {
  ends[0] = kOtherFd;
  ends[1] = kOtherFd + 1;
  return 0;
}

int __wrap_clock_gettime(clockid_t /*clock*/, struct timespec* time) {
  *time = {1, 0};
  return 0;
}

// The real code sleeps only where it waits for a word to change.
int __wrap_nanosleep(const struct timespec* /*time*/, struct timespec* /*left*/) {
  if (World::get().running()) framering::model::await_last_loaded();
  return 0;
}

ssize_t __wrap_getrandom(void* to, size_t bytes, unsigned /*flags*/) {
  std::memset(to, 1, bytes);
  return static_cast<ssize_t>(bytes);
}

long __wrap_syscall(long number, ...) {
  if (number != SYS_futex) abort();
  va_list arguments;
  va_start(arguments, number);
  const void* const word = va_arg(arguments, const void*);
  const int operation = va_arg(arguments, int);
  const auto value = va_arg(arguments, std::uint32_t);
  va_end(arguments);
  if (World::get().running()) {
    framering::model::futex_step(operation == FUTEX_WAIT, word, value);
  }
  return 0;
}

// The same under the names of a build with _FILE_OFFSET_BITS=64.
int __wrap_ftruncate64(int fd, off_t bytes) __attribute__((alias("__wrap_ftruncate")));
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t bytes)
    __attribute__((alias("__wrap_fallocate")));
void* __wrap_mmap64(void* wish, size_t bytes, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("__wrap_mmap")));
int __wrap_fcntl64(int fd, int command, ...) __attribute__((alias("__wrap_fcntl")));
int __wrap_fstat64(int fd, struct stat* status) __attribute__((alias("__wrap_fstat")));
int __wrap_fstatfs64(int fd, struct statfs* file_system) __attribute__((alias("__wrap_fstatfs")));

}  // extern "C"
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)

// What the threads of a world allocate lies in its region; given back, it is filled, so that later
// use shows.
void* operator new(std::size_t bytes) {
  return operator new (bytes, std::align_val_t{16});
}

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  void* const memory =
      World::allocates()
          ? World::get().allocate(bytes, static_cast<std::size_t>(alignment))
          : std::aligned_alloc(static_cast<std::size_t>(alignment), (bytes + 63) / 64 * 64);
  if (memory == nullptr) abort();
  return memory;
}

void operator delete(void* memory) noexcept {
  if (!World::owns(memory)) std::free(memory);
}
void operator delete(void* memory, std::size_t bytes) noexcept {
  if (!World::owns(memory)) {
    std::free(memory);
  } else if (World::get().running()) {
    std::memset(memory, 0xDB, bytes);
  }
}
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept {
  operator delete(memory);
}
void operator delete(void* memory, std::size_t bytes, std::align_val_t /*alignment*/) noexcept {
  operator delete(memory, bytes);
}
