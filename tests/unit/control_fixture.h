// SPDX-License-Identifier: Apache-2.0
//
// What tests of broker, StreamWriter and StreamReader share: a directory of their own, a broker in
// a thread, a broker in a process that can be killed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker.h"
#include "control/socket_path.h"
#include "control/stream_reader.h"
#include "control/stream_writer.h"
#include "pattern_frame.h"

namespace framering::test {

using namespace std::chrono_literals;

// How long a test waits for what has to come: on a machine that is slow and busy, too. It costs
// nothing where it comes.
constexpr auto kPatience = 30s;

inline bool eventually(const std::function<bool()>& holds,
                       std::chrono::milliseconds limit = kPatience) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "framering-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline BrokerOptions broker_options(const std::string& dir) {
  BrokerOptions options;
  options.socket_dir = dir;
  return options;
}

// A broker in this process.
class BrokerThread {
 public:
  explicit BrokerThread(BrokerOptions options)
      : broker_(std::make_unique<Broker>(std::move(options))),
        stop_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { broker_->run(stop_.get()); }) {}
  ~BrokerThread() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  BrokerThread(const BrokerThread&) = delete;
  BrokerThread& operator=(const BrokerThread&) = delete;

 private:
  std::unique_ptr<Broker> broker_;
  Fd stop_;
  std::thread thread_;
};

// A framering-broker of its own, out of FRAMERING_BUILD_DIR.
class BrokerProcess {
 public:
  explicit BrokerProcess(const std::string& dir, std::vector<std::string> arguments = {}) {
    const char* build = ::getenv("FRAMERING_BUILD_DIR");
#ifdef FRAMERING_BUILD_DIR
    if (build == nullptr) build = FRAMERING_BUILD_DIR;
#endif
    if (build == nullptr) throw std::runtime_error("FRAMERING_BUILD_DIR is not set");
    const std::string program = std::string(build) + "/broker/framering-broker";
    arguments.insert(arguments.begin(), {program, "--socket-dir", dir});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t test = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no broker outlives a test that crashes
      if (::getppid() != test) ::_exit(127);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    if (!eventually([&] { return accepts(dir); }))
      throw std::runtime_error("no broker: " + program);
  }
  ~BrokerProcess() {
    end(SIGTERM);
  }
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  int end(int signal) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  [[nodiscard]] pid_t pid() const {
    return pid_;
  }

 private:
  static bool accepts(const std::string& dir) {
    int error = 0;
    return connect_seqpacket(socket_path(dir, Role::operator_), error).valid();
  }
  pid_t pid_ = -1;
};

inline WriterOptions writer_options(const std::string& dir, const std::string& stream = "cam/a") {
  WriterOptions options;
  options.stream = stream;
  options.socket_dir = dir;
  options.program = "test 1.0";
  options.history_bytes = 1u << 20;
  return options;
}

inline ReaderOptions reader_options(const std::string& dir, const std::string& stream = "cam/a") {
  ReaderOptions options;
  options.stream = stream;
  options.socket_dir = dir;
  options.name = "test reader";
  options.policy = Policy::every;
  options.start = Start::oldest;
  return options;
}

// Publishes pattern frame `number`.
inline std::uint64_t publish_pattern(StreamWriter& writer, std::uint64_t number,
                                     std::uint32_t flags = kFrameKey, std::size_t bytes = 1000) {
  std::vector<std::byte> frame(bytes);
  write_pattern(frame, number);
  FrameMeta meta;
  meta.flags = flags;
  meta.codec = kCodecPattern;
  return writer.publish(frame, meta);
}

// The next frame, passing over everything else that next() may say, but not over `limit`.
inline ReadResult next_frame(StreamReader& reader, Frame& frame,
                             std::chrono::milliseconds limit = kPatience) {
  const auto end = std::chrono::steady_clock::now() + limit;
  ReadResult result = ReadResult::timeout;
  do {
    result = reader.next(frame, 100ms);
    if (result == ReadResult::frame || result == ReadResult::refused) return result;
  } while (std::chrono::steady_clock::now() < end);
  return result;
}

inline bool whole(const Frame& frame, std::uint64_t number) {
  std::uint64_t found = 0;
  return check_pattern(frame.bytes, found) == PatternFault::none && found == number;
}

}  // namespace framering::test
