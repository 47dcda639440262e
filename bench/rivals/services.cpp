// SPDX-License-Identifier: Apache-2.0
#include "services.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "memory.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 10s;
constexpr auto kEndPatience = 2s;
constexpr std::uint32_t kChunkHeader = 4096;  // more than iceoryx puts before a frame

bool is_iceoryx(const RivalInfo& info) {
  return info.key.starts_with("iceoryx");
}

bool contains(const std::string& path, const std::string& text) {
  std::ifstream file(path);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  return all.find(text) != std::string::npos;
}

}  // namespace

Services::Services(const std::string& build_dir, const Terms& terms)
    : broker_(start_broker(build_dir, sockets_.path(), sockets_.path() + "/broker.log")) {
  if (rival_of("iceoryx").make != nullptr) start_roudi(terms);
}

Services::~Services() {
  if (!roudi_) return;
  ::kill(roudi_->pid(), SIGTERM);  // it takes its shared memory away
  const auto give_up = std::chrono::steady_clock::now() + kEndPatience;
  while (roudi_->runs() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(2ms);
  }
  // Sockets and locks of processes that were killed.
  std::error_code ignored;
  const std::string prefix = "/tmp/" + iceoryx_prefix(::getpid());
  for (const auto& file : std::filesystem::directory_iterator("/tmp", ignored)) {
    if (file.path().string().starts_with(prefix)) std::filesystem::remove(file.path(), ignored);
  }
}

void Services::start_roudi(const Terms& terms) {
  const std::string config = dir() + "/roudi.toml";
  const std::string log = dir() + "/roudi.log";
  // Two lanes; each reader may hold a queue of its own, and one frame more.
  const std::uint32_t chunks = 2 * (terms.kept + 8) + 4 * terms.readers;
  std::ofstream(config) << "[general]\nversion = 1\n\n[[segment]]\n\n[[segment.mempool]]\nsize = "
                        << (terms.bytes + kChunkHeader + 7) / 8 * 8 << "\ncount = " << chunks
                        << "\n";
  roudi_.emplace(std::vector<std::string>{"iox-roudi", "-c", config}, log);
  const auto give_up = std::chrono::steady_clock::now() + kStartPatience;
  while (!contains(log, "RouDi is ready")) {
    if (!roudi_->runs() || std::chrono::steady_clock::now() > give_up) {
      roudi_.reset();
      why_no_roudi_ = ::access("/usr/bin/iox-roudi", X_OK) != 0
                          ? "apt-get install iceoryx"
                          : "iox-roudi does not start: another one, or too little in /dev/shm?";
      return;
    }
    std::this_thread::sleep_for(5ms);
  }
}

std::string Services::absence(const RivalInfo& info) const {
  if (info.make == nullptr) return "apt-get install " + info.package + ", then build again";
  if (is_iceoryx(info)) return why_no_roudi_;
  return "";
}

pid_t Services::daemon_of(const RivalInfo& info) const {
  if (info.kind == Kind::ours) return broker_.pid();
  if (is_iceoryx(info) && roudi_) return roudi_->pid();
  return 0;
}

}  // namespace framering::bench
