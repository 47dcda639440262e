// SPDX-License-Identifier: Apache-2.0
#include "isolation.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <set>
#include <thread>

#include "ring/clock.h"
#include "services.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBytes = 100'000;
constexpr std::uint32_t kFps = 250;
constexpr std::uint32_t kReaders = 4;
constexpr std::uint32_t kVictim = kReaders - 1;
constexpr std::uint64_t kIntervalNs = 1'000'000'000 / kFps;

struct Times {
  std::chrono::milliseconds before;
  std::chrono::milliseconds stop;
  std::chrono::milliseconds after;
  std::chrono::milliseconds patience;  // with a publisher that does not come back
};

// Waits until a child has stopped itself, by looking, not by reaping.
bool stops_itself(pid_t pid, std::chrono::milliseconds patience) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == pid) {
      return true;
    }
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
}

double ms(std::uint64_t ns) {
  return static_cast<double>(ns) * 1e-6;
}

// The figures of publisher and the other readers, of the frames published so far.
void read_figures(const Board& board, std::uint64_t now_ns, IsolationResults& results) {
  const std::uint32_t frames =
      std::min(board.publisher.frames.load(std::memory_order_acquire), kMostFrames);
  results.published = frames;
  results.due = std::uint64_t{frames} * (kReaders - 1);
  std::uint64_t last_ns = board.publisher.begin_ns;
  for (std::uint32_t frame = 0; frame < frames; ++frame) {
    const std::uint64_t due_ns = board.publisher.begin_ns + frame * kIntervalNs;
    const std::uint64_t began_ns = board.publisher.began_ns[frame];
    results.publish_worst_ms =
        std::max(results.publish_worst_ms, ms(board.publisher.took_ns[frame]));
    if (began_ns > due_ns) {
      results.publish_late_ms = std::max(results.publish_late_ms, ms(began_ns - due_ns));
    }
    last_ns = began_ns + board.publisher.took_ns[frame];
  }
  if (results.hung)
    results.publish_worst_ms = std::max(results.publish_worst_ms, ms(now_ns - last_ns));
  for (std::uint32_t reader = 0; reader < kReaders; ++reader) {
    if (reader == kVictim) continue;
    std::uint64_t had_ns = board.publisher.begin_ns;
    for (std::uint32_t frame = 0; frame < frames; ++frame) {
      const std::uint32_t latency_ns = board.reader[reader].latency_ns[frame];
      if (latency_ns == 0) {
        ++results.lost;
        continue;
      }
      const std::uint64_t at_ns = board.publisher.began_ns[frame] + latency_ns;
      if (at_ns > had_ns) results.gap_ms = std::max(results.gap_ms, ms(at_ns - had_ns));
      had_ns = std::max(had_ns, at_ns);
    }
    if (results.hung && now_ns > had_ns) {
      results.gap_ms = std::max(results.gap_ms, ms(now_ns - had_ns));
    }
  }
}

IsolationResults measure(Company& company, Harm harm, const Times& times) {
  IsolationResults results;
  results.info = &company.info();
  results.harm = harm;
  const bool at_worst = harm == Harm::stopped_at_worst || harm == Harm::killed_at_worst;
  const bool kills = harm == Harm::killed || harm == Harm::killed_at_worst;
  Order order;
  order.interval_ns = kIntervalNs;
  const auto whole = times.before + times.stop + times.after;
  order.frames = static_cast<std::uint32_t>(whole.count()) * kFps / 1000;
  if (at_worst) {
    order.worst_reader = kVictim;
    order.worst_frame = static_cast<std::uint32_t>(times.before.count()) * kFps / 1000;
  }
  const pid_t victim = company.reader_pid(kVictim);
  company.begin(order);
  if (!at_worst) {
    std::this_thread::sleep_for(times.before);
    if (harm == Harm::stopped) ::kill(victim, SIGSTOP);
  } else if (!stops_itself(victim, times.before + 1s)) {
    results.failed = "the reader did not come to its worst moment";
    return results;
  }
  if (kills) {
    ::kill(victim, SIGKILL);
    company.expect_one_less();
  } else if (harm != Harm::none) {
    std::this_thread::sleep_for(times.stop);
    ::kill(victim, SIGCONT);
  }
  // Those who were held up make good for it at once; who has not by now never will.
  results.hung = !company.publisher_ends_within(whole + times.patience);
  if (!results.hung) (void)company.ends_within(1s);
  read_figures(company.board(), monotonic_ns(), results);
  return results;
}

}  // namespace

const char* text_of(Harm harm) {
  switch (harm) {
    case Harm::none:
      return "none";
    case Harm::stopped:
      return "stopped";
    case Harm::killed:
      return "killed";
    case Harm::stopped_at_worst:
      return "stopped at its worst";
    case Harm::killed_at_worst:
      return "killed at its worst";
  }
  return "?";
}

std::vector<IsolationResults> measure_isolation(const std::string& build_dir, bool quick) {
  const Times stop = quick ? Times{100ms, 300ms, 100ms, 1s} : Times{300ms, 2000ms, 500ms, 3s};
  const Times kill = quick ? Times{100ms, 100ms, 100ms, 1s} : Times{300ms, 700ms, 500ms, 3s};
  std::vector<IsolationResults> all;
  Match match;
  match.bytes = kBytes;
  match.readers = kReaders;
  for (const RivalInfo& info : all_rivals()) {
    // Our other lanes wait and hold in the same ways.
    const std::set<std::string> alike{"copy-eventfd", "predictive", "newest"};
    if (info.kind == Kind::floor || alike.contains(info.key)) continue;
    for (const Harm harm :
         {Harm::none, Harm::stopped, Harm::killed, Harm::stopped_at_worst, Harm::killed_at_worst}) {
      if (quick && harm != Harm::stopped_at_worst) continue;
      IsolationResults results;
      results.info = &info;
      results.harm = harm;
      try {
        Terms terms = terms_of(match);
        const Services services(build_dir, terms);
        results.failed = services.absence(info);
        if (results.failed.empty()) {
          terms.dir = services.dir();
          terms.name = info.key;
          Company company(info, terms, 0);
          results = measure(company, harm,
                            harm == Harm::stopped || harm == Harm::stopped_at_worst ? stop : kill);
        }
      } catch (const std::exception& error) {
        results.failed = error.what();
      }
      all.push_back(results);
    }
  }
  return all;
}

}  // namespace framering::bench
