// SPDX-License-Identifier: Apache-2.0
//
// A consumer with code of its own choice tries to write what it was given: as root, and as another
// user. The kernel refuses every way. (A process that may ptrace the producer is out of scope.)
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "ring_fixture.h"

namespace framering::test {
namespace {

struct Attempt {
  const char* what;
  bool (*succeeds)(int fd, std::size_t bytes);
};

bool maps_writable(int fd, std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return false;
  static_cast<volatile char*>(at)[0] = 1;
  return true;
}

// Another description of the same memory, opened with the rights the owner's mode bits give.
int reopen(int fd, int flags) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return ::open(path, flags | O_CLOEXEC);
}

void* map_read_only(int fd, std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : at;
}

const Attempt kAttempts[] = {
    {"mmap writable", maps_writable},
    {"reopen through /proc/self/fd and mmap writable",
     [](int fd, std::size_t bytes) {
       const int again = reopen(fd, O_RDWR);
       return again >= 0 && maps_writable(again, bytes);
     }},
    {"reopen and write",
     [](int fd, std::size_t) {
       const int again = reopen(fd, O_RDWR);
       return again >= 0 && ::write(again, "x", 1) == 1;
     }},
    {"reopen with O_TRUNC and shrink",
     [](int fd, std::size_t) {
       const int again = reopen(fd, O_RDWR | O_TRUNC);
       struct stat status {};
       return again >= 0 && ::fstat(fd, &status) == 0 && status.st_size == 0;
     }},
    {"mprotect a read-only mapping",
     [](int fd, std::size_t bytes) {
       void* const at = map_read_only(fd, bytes);
       return at != nullptr && ::mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
     }},
    {"mremap and mprotect",
     [](int fd, std::size_t bytes) {
       void* const at = map_read_only(fd, bytes);
       if (at == nullptr) return false;
       void* const moved = ::mremap(at, bytes, bytes, MREMAP_MAYMOVE);
       return moved != MAP_FAILED && ::mprotect(moved, bytes, PROT_WRITE) == 0;
     }},
    {"pwrite", [](int fd, std::size_t) { return ::pwrite(fd, "x", 1, 0) == 1; }},
    {"ftruncate to 0", [](int fd, std::size_t) { return ::ftruncate(fd, 0) == 0; }},
    {"ftruncate to grow",
     [](int fd, std::size_t bytes) { return ::ftruncate(fd, static_cast<off_t>(2 * bytes)) == 0; }},
    {"punch a hole",
     [](int fd, std::size_t bytes) {
       return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                          static_cast<off_t>(bytes)) == 0;
     }},
    {"zero a range",
     [](int fd, std::size_t) { return ::fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096) == 0; }},
    {"collapse a range",
     [](int fd, std::size_t) { return ::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) == 0; }},
    {"madvise MADV_REMOVE",
     [](int fd, std::size_t bytes) {
       void* const at = map_read_only(fd, bytes);
       return at != nullptr && ::madvise(at, bytes, MADV_REMOVE) == 0;
     }},
    {"add a seal", [](int fd, std::size_t) { return ::fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0; }},
    {"copy_file_range into it",
     [](int fd, std::size_t) {
       const int source = ::memfd_create("source", MFD_CLOEXEC);
       if (source < 0 || ::write(source, "xxxx", 4) != 4) return false;
       loff_t from = 0;
       loff_t to = 0;
       return ::copy_file_range(source, &from, fd, &to, 4, 0) > 0;
     }},
    {"write through /proc/self/mem",
     [](int fd, std::size_t bytes) {
       // /proc/self/mem ignores page protection, but not that the mapping can never be writable.
       void* const at = map_read_only(fd, bytes);
       const int memory = ::open("/proc/self/mem", O_RDWR | O_CLOEXEC);
       return at != nullptr && memory >= 0 &&
              ::pwrite(memory, "x", 1, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(at))) ==
                  1;
     }},
};

// Runs every attempt in a child. Returns the names of those that succeeded.
std::string succeeded_in_child(int fd, std::size_t bytes, uid_t uid) {
  int report[2];
  EXPECT_EQ(::pipe2(report, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (uid != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0)) {
      (void)!::write(report[1], "setuid failed", 13);
      ::_exit(1);
    }
    for (const Attempt& attempt : kAttempts) {
      if (attempt.succeeds(fd, bytes)) {
        (void)!::write(report[1], attempt.what, std::strlen(attempt.what));
        (void)!::write(report[1], "; ", 2);
      }
    }
    ::_exit(0);
  }
  ::close(report[1]);
  std::string succeeded;
  char text[256];
  for (ssize_t got = 0; (got = ::read(report[0], text, sizeof text)) > 0;) {
    succeeded.append(text, static_cast<std::size_t>(got));
  }
  ::close(report[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << succeeded;
  return succeeded;
}

class ReadOnly : public ::testing::TestWithParam<uid_t> {
 protected:
  void SetUp() override {
    if (GetParam() != ::getuid() && ::getuid() != 0) {
      GTEST_SKIP() << "only root can become another user: run as root to test this one";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(As, ReadOnly, ::testing::Values(::getuid(), 65534u),
                         [](const auto& instance) {
                           return instance.index == 0 ? "the_producers_own_user" : "nobody";
                         });

TEST_P(ReadOnly, TheRingRefusesEveryWayToWriteIt) {
  RingWriter writer(small_ring());
  for (int i = 0; i < 40; ++i) publish_pattern(writer, 3000);
  LocalReader local(writer, 1);
  std::vector<std::byte> before(local.ring.data(), local.ring.data() + local.ring.bytes());
  EXPECT_EQ(succeeded_in_child(writer.fd(), local.ring.bytes(), GetParam()), "");
  EXPECT_EQ(std::memcmp(before.data(), local.ring.data(), before.size()), 0);
}

TEST_P(ReadOnly, TheBellPageRefusesEveryWayToWriteIt) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  EXPECT_EQ(succeeded_in_child(local.entry->bell_segment->fd(), kPageBytes, GetParam()), "");
}

TEST_P(ReadOnly, TheReaderPageRefusesEveryWayToWriteItForTheProducerToo) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  EXPECT_EQ(succeeded_in_child(local.entry->page_fd.get(), kPageBytes, GetParam()), "");
}

// The canary: the same attempts do succeed on memory that lacks the seals, so the test can fail.
TEST(ReadOnlyCanary, WithoutSealsTheAttemptsSucceed) {
  const Fd bare(::memfd_create("bare", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::posix_fallocate(bare.get(), 0, 65536), 0);
  const std::string succeeded = succeeded_in_child(bare.get(), 65536, 0);
  for (const char* what : {"mmap writable", "reopen and write", "mprotect", "pwrite",
                           "punch a hole", "MADV_REMOVE", "ftruncate to 0", "add a seal"}) {
    EXPECT_NE(succeeded.find(what), std::string::npos) << what << " not in: " << succeeded;
  }
  // Nor is a descriptor opened read-only enough: whoever has it opens it again for writing.
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", bare.get());
  const Fd read_only(::open(path, O_RDONLY | O_CLOEXEC));
  EXPECT_NE(succeeded_in_child(read_only.get(), 65536, 0).find("reopen and write"),
            std::string::npos);
}

}  // namespace
}  // namespace framering::test
