// SPDX-License-Identifier: Apache-2.0
//
// "No system call but the wake-up of readers that sleep", counted: a seccomp filter traps every
// system call of the publishing process, and the handler counts them.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "ring_fixture.h"

namespace framering::test {
namespace {

volatile sig_atomic_t trapped_calls = 0;
volatile sig_atomic_t last_trapped = -1;

void on_trap(int, siginfo_t* info, void*) {
  trapped_calls = trapped_calls + 1;
  last_trapped = info->si_syscall;
}

// From here on every system call but rt_sigreturn, write and exit_group is trapped, not carried
// out.
bool trap_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return false;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct Count {
  int calls = -1;
  int last = -1;
};

// Publishes in a child with every system call trapped, after `prepare` has set the readers up.
template <typename Prepare>
Count count_calls(int frames, Prepare prepare) {
  int report[2];
  EXPECT_EQ(::pipe(report), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    RingWriter writer(small_ring(1 << 20, 64));
    const auto readers = prepare(writer);
    std::vector<std::byte> payload(10'000);
    FrameMeta meta = key_meta();
    if (!trap_system_calls()) ::_exit(1);
    for (int i = 0; i < frames; ++i) writer.publish(payload, meta);
    const Count count{trapped_calls, last_trapped};
    (void)!::write(report[1], &count, sizeof count);
    ::_exit(0);
  }
  ::close(report[1]);
  Count count;
  EXPECT_EQ(::read(report[0], &count, sizeof count), ssize_t{sizeof count});
  ::close(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return count;
}

TEST(PublishSystemCalls, NoneWhileNobodySleeps) {
  const Count count = count_calls(10'000, [](RingWriter& writer) {
    std::vector<std::unique_ptr<LocalReader>> readers;
    for (std::uint64_t id = 1; id <= 8; ++id) {
      readers.push_back(std::make_unique<LocalReader>(writer, id, Policy::every, Start::oldest,
                                                      static_cast<Bell>(id % 3)));
    }
    Frame leased;  // and a lease to be stepped over
    publish_pattern(writer, 100);
    EXPECT_EQ(readers[0]->reader.lease_next(leased), ReadOutcome::frame);
    return readers;
  });
  EXPECT_EQ(count.calls, 0) << "system call number " << count.last;
}

// The canary: a sleeper does cost its one wake-up, so the count above can be other than 0.
TEST(PublishSystemCalls, OneForAReaderThatSleepsAndDoesNotCome) {
  const Count count = count_calls(10'000, [](RingWriter& writer) {
    auto sleeper = std::make_unique<LocalReader>(writer, 1);
    std::uint32_t word = 0;
    EXPECT_TRUE(sleeper->reader.arm(word));
    return sleeper;
  });
  EXPECT_EQ(count.calls, 1);
  EXPECT_EQ(count.last, SYS_futex);
}

}  // namespace
}  // namespace framering::test
