// SPDX-License-Identifier: Apache-2.0
#include "supervisor.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "options.h"
#include "ring/clock.h"

namespace framering {
namespace {

constexpr std::uint64_t kShortestPause_ns = 100'000'000;
constexpr std::uint64_t kLongestPause_ns = 5'000'000'000;
constexpr std::uint64_t kGoodRun_ns = 10'000'000'000;  // after this long the pauses start over

sigset_t awaited_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGHUP}) sigaddset(&set, signal);
  return set;
}

// Until the child has ended: passes signals on. Returns its wait status.
int wait_for(pid_t child, bool reloads, bool& stopping) {
  const sigset_t set = awaited_signals();
  for (;;) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    const int signal = ::sigwaitinfo(&set, nullptr);
    if (signal == SIGHUP && reloads) ::kill(child, SIGHUP);
    if (signal < 0 || signal == SIGCHLD || (signal == SIGHUP && reloads)) continue;
    stopping = true;
    ::kill(child, SIGTERM);
  }
}

bool worth_another_try(int status) {
  if (WIFSIGNALED(status)) return true;
  const int code = WEXITSTATUS(status);
  return code != 0 && code != kExitUsage;
}

// False: a stop signal came.
bool pause_for(std::uint64_t ns, bool reloads) {
  sigset_t set = awaited_signals();
  sigdelset(&set, SIGCHLD);
  if (reloads) sigdelset(&set, SIGHUP);  // the child reads all anew when it starts
  const timespec limit{static_cast<time_t>(ns / 1'000'000'000),
                       static_cast<long>(ns % 1'000'000'000)};
  return ::sigtimedwait(&set, nullptr, &limit) < 0;
}

}  // namespace

std::optional<int> supervise(bool reloads) {
  const sigset_t set = awaited_signals();
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  const pid_t parent = ::getpid();
  bool stopping = false;
  for (std::uint64_t pause_ns = kShortestPause_ns;;) {
    const std::uint64_t began_ns = monotonic_ns();
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a supervisor that was killed leaves nothing behind
      if (::getppid() != parent) ::_exit(1);
      ::sigprocmask(SIG_SETMASK, &before, nullptr);
      return std::nullopt;
    }
    const int status = wait_for(child, reloads, stopping);
    if (stopping || !worth_another_try(status)) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    if (monotonic_ns() - began_ns >= kGoodRun_ns) pause_ns = kShortestPause_ns;
    std::fprintf(stderr, "framering-producer: supervisor: %s %d; starting again in %.1f s\n",
                 WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "ended with exit code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                 static_cast<double>(pause_ns) / 1e9);
    if (!pause_for(pause_ns, reloads)) return 0;
    pause_ns = std::min(pause_ns * 2, kLongestPause_ns);
  }
}

}  // namespace framering
