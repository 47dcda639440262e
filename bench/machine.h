// SPDX-License-Identifier: Apache-2.0
//
// What a figure was measured on, and the programs that take part.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace framering::bench {

struct Machine {
  std::string cpu;
  std::string kernel;
  unsigned cores = 0;
  double load = 0;  // runnable tasks over the last minute: other people's work is in the figures
};
[[nodiscard]] Machine this_machine();

// What this process and the libraries in it print goes to a file from here on.
void log_to(const std::string& path);

// A child process; killed and waited for at the end, and by the kernel should we die first.
class Child {
 public:
  // Runs a program. Throws std::system_error if it cannot be forked; a program that is missing
  // ends with status 127. What it prints goes to `log`, if there is one.
  explicit Child(const std::vector<std::string>& command, const std::string& log = "");
  // Goes on as `body` in a fork; make no threads before.
  template <typename Body>
  explicit Child(Body body) : pid_(begin()) {
    if (pid_ == 0) run_and_exit(body);
  }
  ~Child() { end(); }
  Child(Child&& other) noexcept : pid_(other.pid_) { other.pid_ = 0; }
  Child& operator=(Child&&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] bool runs() const noexcept;
  void end() noexcept;

 private:
  static pid_t begin();
  template <typename Body>
  [[noreturn]] static void run_and_exit(Body& body) {
    try {
      body();
    } catch (...) {
      die();
    }
    leave();
  }
  [[noreturn]] static void die() noexcept;  // says which exception is being handled
  [[noreturn]] static void leave() noexcept;

  pid_t pid_ = 0;
};

// A directory of its own for the sockets; removed with what is in it.
class SocketDir {
 public:
  SocketDir();
  ~SocketDir();
  SocketDir(const SocketDir&) = delete;
  SocketDir& operator=(const SocketDir&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

// Private memory of a process (RssAnon of /proc/PID/status), in KiB; 0: it is gone.
[[nodiscard]] std::uint64_t private_kib(pid_t pid);

}  // namespace framering::bench
