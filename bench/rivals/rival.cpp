// SPDX-License-Identifier: Apache-2.0
#include "rival.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <stdexcept>

namespace framering::bench {
namespace {

// Of this process: the library whose copy is interrupted offers no other place to keep them.
std::atomic<bool> armed{false};
std::atomic<void*> guarded{nullptr};

void on_guarded_page(int, siginfo_t* info, void*) {
  void* const page = guarded.load(std::memory_order_relaxed);
  const auto bytes = static_cast<std::size_t>(::getpagesize());
  const auto* const at = static_cast<const std::byte*>(info->si_addr);
  if (page == nullptr || at < page || at >= static_cast<std::byte*>(page) + bytes) {
    ::signal(SIGSEGV, SIG_DFL);  // a fault of somebody else's
    return;
  }
  ::mprotect(page, bytes, PROT_READ | PROT_WRITE);
  ::raise(SIGSTOP);
}

std::vector<RivalInfo> listed() {
  std::vector<RivalInfo> all;
  for (const auto lanes :
       {floor_lanes, framering_lanes, iceoryx_lanes, zeromq_lanes, gstreamer_lanes,
        unix_socket_lanes, boost_queue_lanes, pipe_lanes, flock_slot_lanes}) {
    std::ranges::move(lanes(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

const std::vector<RivalInfo>& all_rivals() {
  static const std::vector<RivalInfo> all = listed();
  return all;
}

const RivalInfo& rival_of(const std::string& key) {
  const auto& all = all_rivals();
  const auto found = std::ranges::find(all, key, &RivalInfo::key);
  if (found == all.end()) throw std::invalid_argument(key + ": there is no such lane");
  return *found;
}

void arm_worst_moment() {
  armed.store(true, std::memory_order_relaxed);
}

void at_worst_moment() {
  if (armed.exchange(false, std::memory_order_relaxed)) ::raise(SIGSTOP);
}

void stop_inside(std::span<std::byte> buffer) {
  if (!armed.exchange(false, std::memory_order_relaxed)) return;
  struct sigaction action {};
  action.sa_sigaction = on_guarded_page;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, nullptr);
  const auto bytes = static_cast<std::size_t>(::getpagesize());
  const std::size_t middle = buffer.size() / 2 / bytes * bytes;
  guarded.store(buffer.data() + middle, std::memory_order_relaxed);
  ::mprotect(buffer.data() + middle, bytes, PROT_NONE);
}

}  // namespace framering::bench
