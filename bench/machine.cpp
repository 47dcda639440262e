// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

namespace framering::bench {
namespace {

// The text after "KEY:" in a file of such lines; empty: no such line.
std::string field_of(const std::string& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

}  // namespace

Machine this_machine() {
  Machine machine;
  for (const char* key : {"model name", "Model", "uarch", "Hardware"}) {  // x86, Arm, RISC-V
    machine.cpu = field_of("/proc/cpuinfo", key);
    if (!machine.cpu.empty()) break;
  }
  utsname system{};
  ::uname(&system);
  machine.kernel = std::string(system.release) + " " + system.machine;
  machine.cores = std::thread::hardware_concurrency();
  double load[1] = {};
  if (::getloadavg(load, 1) == 1) machine.load = load[0];
  return machine;
}

pid_t Child::begin() {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);  // it died before we asked
  }
  return pid;
}

void log_to(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
}

Child::Child(const std::vector<std::string>& command, const std::string& log) : pid_(begin()) {
  if (pid_ != 0) return;
  if (!log.empty()) log_to(log);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::fprintf(stderr, "bench: %s: %s\n", words[0], std::generic_category().message(errno).c_str());
  ::_exit(127);
}

void Child::die() noexcept {
  try {
    throw;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: reader: %s\n", error.what());
  } catch (...) {
    std::fprintf(stderr, "bench: reader: unknown exception\n");
  }
  ::_exit(1);
}

void Child::leave() noexcept {
  ::_exit(0);
}

bool Child::runs() const noexcept {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0;
}

void Child::end() noexcept {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

SocketDir::SocketDir() {
  path_ = (std::filesystem::temp_directory_path() / "framering-bench-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "directory " + path_);
  }
}

SocketDir::~SocketDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint64_t private_kib(pid_t pid) {
  const std::string text = field_of("/proc/" + std::to_string(pid) + "/status", "RssAnon");
  return text.empty() ? 0 : std::stoull(text);
}

}  // namespace framering::bench
