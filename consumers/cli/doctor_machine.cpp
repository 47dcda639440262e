// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>

#include "doctor.h"
#include "ring/fd.h"
#include "table.h"

namespace framering::cli {
namespace {

constexpr rlim_t kDescriptors = 4096;           // 16 streams with 64 readers, with room
constexpr std::uint64_t kMemory = 64ull << 20;  // two streams of one source, and the programs
constexpr std::time_t kProjectBegan_s = 1'735'689'600;  // 2025: no clock can be right before

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The line of /proc/PID/limits: what holds for the broker, not for the shell that doctor runs in.
std::optional<rlim_t> hard_limit_of(const std::string& pid, const std::string& name) {
  std::ifstream file("/proc/" + pid + "/limits");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    char soft[32], hard[32];
    if (std::sscanf(line.c_str() + name.size(), "%31s %31s", soft, hard) != 2) return {};
    return std::strcmp(hard, "unlimited") == 0
               ? RLIM_INFINITY
               : static_cast<rlim_t>(std::strtoull(hard, nullptr, 10));
  }
  return {};
}

void check_seals(Findings& findings) {
  const Fd memory(::memfd_create("framering-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool sealed =
      memory.valid() &&
      ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) == 0;
  if (sealed) return findings.good("sealed memory", "memfd_create and F_SEAL_FUTURE_WRITE work");
  findings.fault("sealed memory", std::string("the kernel refuses it: ") + std::strerror(errno),
                 "allow memfd_create and fcntl in the seccomp filter; needs Linux 5.1 or newer");
}

void check_io_uring(Findings& findings) {
  io_uring_params parameters{};
  const Fd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 2, &parameters)));
  if (ring.valid()) return findings.good("io_uring", "is there");
  findings.note("io_uring",
                std::string("refused (") + std::strerror(errno) +
                    "); in use instead: write(2) for each eventfd, poll(2) for waiting",
                "to have it, allow io_uring_setup, io_uring_enter and io_uring_register in the "
                "seccomp filter, set sysctl kernel.io_uring_disabled=0, or, before Linux 5.12, "
                "raise LimitMEMLOCK");
}

void check_pidfd(Findings& findings) {
  const Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (self.valid()) return findings.good("pidfd", "is there");
  findings.note("pidfd",
                std::string("refused (") + std::strerror(errno) +
                    "); the broker then sees a death only when the last copy of a socket closes",
                "allow pidfd_open in the seccomp filter");
}

}  // namespace

void check_kernel(Findings& findings) {
  utsname name{};
  unsigned major = 0, minor = 0;
  ::uname(&name);
  const std::string release = std::string(name.release) + ", " + name.machine;
  const bool known = std::sscanf(name.release, "%u.%u", &major, &minor) == 2;
  if (known && (major > 5 || (major == 5 && minor >= 10))) {
    findings.good("kernel", release);
  } else {
    findings.fault("kernel", release, "framering needs Linux 5.10 or newer");
  }
  check_seals(findings);
  check_io_uring(findings);
  check_pidfd(findings);
  const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (governor == "powersave") {
    findings.note("processor", "its governor is powersave: wake-ups take longer",
                  "for the shortest latency: cpupower frequency-set -g performance");
  }
}

void check_limits(Findings& findings, const std::string& socket_dir) {
  const std::string broker = first_line(socket_dir + "/broker.lock");
  rlimit own{};
  ::getrlimit(RLIMIT_NOFILE, &own);
  std::optional<rlim_t> limit;
  if (!broker.empty()) limit = hard_limit_of(broker, "Max open files");
  const std::string whose = limit ? "the broker" : "this user";
  const rlim_t most = limit.value_or(own.rlim_max);
  const std::string found = whose + " may open " + std::to_string(most) + " files";
  if (most >= kDescriptors) return findings.good("file descriptors", found);
  findings.fault("file descriptors", found + ": too few for all the readers that it lets in",
                 "LimitNOFILE=65536 in the unit of framering-broker, or ulimit -Hn 65536 before "
                 "it starts");
}

void check_memory(Findings& findings) {
  std::ifstream file("/proc/meminfo");
  std::uint64_t available = 0;
  for (std::string line; std::getline(file, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu", &kib) == 1) available = kib << 10;
  }
  const std::string found = bytes_text(available) + " available";
  if (available >= kMemory) return findings.good("memory", found);
  findings.fault("memory", found + "; rings are allocated in full when a producer starts",
                 "a smaller --history for the producers, or end what uses the memory");
}

void check_clock(Findings& findings) {
  const std::time_t now = std::time(nullptr);
  char text[32];
  tm parts{};
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", ::gmtime_r(&now, &parts));
  if (now >= kProjectBegan_s) return findings.good("clock", text);
  findings.fault("clock", std::string(text) + ": recordings get wrong names, tokens never expire",
                 "set the time: systemctl enable --now systemd-timesyncd, or ntpd");
}

}  // namespace framering::cli
