// SPDX-License-Identifier: Apache-2.0
#include "company.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "ring/futex.h"
#include "worker.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 20s;

std::uint64_t cpu_ns_of(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(used.tv_nsec);
}

Terms nobody(Terms terms) {
  terms.readers = 0;
  return terms;
}

}  // namespace

Company::Company(const RivalInfo& info, const Terms& terms, pid_t daemon)
    : info_(&info), terms_(info.reads ? terms : nobody(terms)), daemon_(daemon) {
  void* const memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  board_ = new (memory) Board;
  try {
    // Its descriptors and names are kept here no longer than until everybody has them.
    const std::unique_ptr<Rival> rival = info.make(terms);
    start(*rival);
  } catch (const std::exception& error) {
    children_.clear();
    ::munmap(board_, sizeof(Board));
    throw std::runtime_error(info.name + ": " + error.what());
  }
}

Company::Company(Company&& other) noexcept
    : info_(other.info_),
      terms_(other.terms_),
      daemon_(other.daemon_),
      board_(std::exchange(other.board_, nullptr)),
      children_(std::move(other.children_)),
      expected_(other.expected_) {}

Company::~Company() {
  if (board_ == nullptr) return;
  // They take away what they left in the file system; who cannot is killed.
  begin({.kind = Order::Kind::quit});
  const auto give_up = std::chrono::steady_clock::now() + 1s;
  while (std::ranges::any_of(children_, &Child::runs) &&
         std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(2ms);
  }
  children_.clear();
  ::munmap(board_, sizeof(Board));
}

void Company::start(Rival& rival) {
  const std::string log = terms_.dir + "/" + terms_.name + ".log";
  const auto add = [&](auto body) {
    children_.emplace_back([&] {
      log_to(log);
      body();
      std::exit(0);  // not _exit: libraries say goodbye to their daemons
    });
    ++expected_;
  };
  add([&] { serve_as_publisher(*board_, terms_, rival); });
  await(board_->done, expected_, kStartPatience, "the publisher to start");
  for (std::uint32_t i = 0; i < terms_.readers; ++i) {
    add([&, i] { serve_as_reader(*board_, terms_, rival, i); });
  }
  await(board_->done, expected_, kStartPatience, "the readers to start");
  if (terms_.readers == 0) return;
  begin({.kind = Order::Kind::rehearse});
  await(board_->done, expected_, kStartPatience, "the first frame to arrive");
  if (board_->rehearsed.load(std::memory_order_relaxed) < terms_.readers) {
    throw std::runtime_error("no frame arrived at some reader");
  }
}

bool Company::all_run() const {
  return std::ranges::all_of(children_, &Child::runs);
}

void Company::await(const SharedU32& word, std::uint32_t wanted, std::chrono::milliseconds patience,
                    const char* what) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (word.load(std::memory_order_acquire) < wanted) {
    const bool late = std::chrono::steady_clock::now() > give_up;
    if (!late && board_->failed.load(std::memory_order_relaxed) == 0 && all_run()) {
      std::this_thread::sleep_for(1ms);
      continue;
    }
    std::this_thread::sleep_for(20ms);  // the text of who failed first
    throw std::runtime_error(std::string("waited for ") + what + ": " +
                             (board_->error[0] != '\0' ? board_->error
                              : late                   ? "too long"
                                                       : "a process has ended"));
  }
}

void Company::begin(const Order& order) {
  board_->order = order;
  board_->ready.store(0, std::memory_order_relaxed);
  board_->done.store(0, std::memory_order_relaxed);
  board_->publisher.until_ns.store(0, std::memory_order_relaxed);
  board_->order_count.fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, &board_->order_count, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

bool Company::ends_within(std::chrono::milliseconds patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (board_->done.load(std::memory_order_acquire) < expected_) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

bool Company::publisher_ends_within(std::chrono::milliseconds patience) {
  const std::uint32_t run = board_->order_count.load(std::memory_order_relaxed);
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (board_->publisher.finished.load(std::memory_order_acquire) != run) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

pid_t Company::reader_pid(std::uint32_t number) const {
  return children_.at(number + 1).pid();
}

std::uint64_t Company::cpu_ns() const {
  std::uint64_t sum = daemon_ != 0 ? cpu_ns_of(daemon_) : 0;
  for (const Child& child : children_) sum += cpu_ns_of(child.pid());
  return sum;
}

RunResult Company::run_paced(std::uint32_t frames, std::uint32_t fps) {
  const std::uint64_t before_ns = cpu_ns();
  begin({.frames = frames, .interval_ns = 1'000'000'000u / fps});
  std::this_thread::sleep_for(std::chrono::milliseconds(1000 * frames / fps));
  await(board_->done, expected_, 10s, "a run to end");
  RunResult result;
  const Board& board = *board_;
  for (std::uint32_t frame = kWarmUpFrames; frame < frames; ++frame) {
    result.publish_ns.push_back(board.publisher.took_ns[frame]);
    std::uint32_t last = 0;
    bool everybody = terms_.readers != 0;
    for (std::uint32_t reader = 0; reader < terms_.readers; ++reader) {
      const std::uint32_t latency = board.reader[reader].latency_ns[frame];
      if (latency == 0) {
        ++result.lost;
        everybody = false;
        continue;
      }
      result.latency_ns.push_back(latency);
      last = std::max(last, latency);
    }
    if (everybody) result.last_ns.push_back(last);
  }
  for (const Board::Reader& reader : board.reader) result.torn += reader.torn;
  result.cpu_us = static_cast<double>(cpu_ns() - before_ns) * 1e-3 / frames;
  return result;
}

RunResult Company::run_unpaced(std::chrono::milliseconds duration) {
  const std::uint64_t before_ns = cpu_ns();
  const auto duration_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
  begin({.duration_ns = duration_ns});
  std::this_thread::sleep_for(duration);
  await(board_->done, expected_, 10s, "an unpaced run to end");
  RunResult result;
  const std::uint32_t published = board_->publisher.frames.load(std::memory_order_acquire);
  std::uint64_t received = 0;
  for (std::uint32_t reader = 0; reader < terms_.readers; ++reader) {
    received += board_->reader[reader].frames;
    result.torn += board_->reader[reader].torn;
  }
  if (terms_.readers == 0) received = published;  // into memory
  const double seconds = static_cast<double>(duration_ns) * 1e-9;
  result.gb_per_s = static_cast<double>(received) * terms_.bytes / seconds * 1e-9;
  result.published_per_s = published / seconds;
  result.lost = std::uint64_t{published} * std::max(terms_.readers, 1u) - received;
  result.cpu_us = static_cast<double>(cpu_ns() - before_ns) * 1e-3 / std::max(published, 1u);
  return result;
}

}  // namespace framering::bench
