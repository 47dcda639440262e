// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "control/ready.h"
#include "ring/clock.h"

namespace framering {
namespace {

constexpr std::uint64_t kHeartbeat_ns = 400'000'000;      // promised: at least once a second
constexpr std::uint64_t kReadyAnyway_ns = 1'000'000'000;  // frames flow without a broker, too
constexpr std::uint64_t kNapForReaders_ns = 10'000'000;

}  // namespace

Pipeline::Pipeline(Source& source, std::vector<Output>& outputs, StopSignal& stop,
                   Watchdog& watchdog, PipelineLimits limits)
    : source_(source),
      outputs_(outputs),
      stop_(stop),
      watchdog_(watchdog),
      limits_(limits),
      began_ns_(monotonic_ns()),
      wanted_ns_(began_ns_),
      refusals_(outputs.size()) {
  watchdog_.when_stuck([&outputs] {
    for (Output& output : outputs) output.tell_stuck();
  });
}

Pipeline::~Pipeline() {
  watchdog_.when_stuck(nullptr);
}

void Pipeline::run() {
  while (!stop_.requested()) {
    const std::uint64_t now_ns = monotonic_ns();
    for (Output& output : outputs_) output.look_at_demand(now_ns);
    if (nobody_wants_it(now_ns)) {
      rest();
      after_step(monotonic_ns());
      continue;
    }
    pass_on_requests(now_ns);
    watchdog_.enter("waiting for a picture");
    if (source_.step(outputs_) == Source::Step::ended) break;
    after_step(monotonic_ns());
    if (limits_.frames != 0 && pictures() >= limits_.frames) break;
  }
  end();
}

bool Pipeline::nobody_wants_it(std::uint64_t now_ns) noexcept {
  if (!source_.on_demand()) return false;
  const bool wanted = std::any_of(outputs_.begin(), outputs_.end(),
                                  [](const Output& output) { return output.wanted(); });
  if (wanted) wanted_ns_ = now_ns;
  return now_ns - wanted_ns_ >= limits_.idle_ns && !wanted;
}

// Half a second of sleep, cut short when a reader comes.
void Pipeline::rest() {
  std::array<int, 4> fds{};
  std::size_t count = 0;
  for (Output& output : outputs_) {
    output.set_state(SourceState::idle);
    if (count < fds.size()) fds[count++] = output.nudge_fd();
  }
  (void)stop_.wait_until(monotonic_ns() + 1'000'000'000, {fds.data(), count});
  for (Output& output : outputs_) output.take_nudge();
}

void Pipeline::pass_on_requests(std::uint64_t now_ns) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (!outputs_[i].take_key_request(now_ns)) continue;
    if (source_.request_key_frame(i)) outputs_[i].count_key_request_granted();
  }
  switch (watchdog_.take_action()) {
    case StallLadder::Action::request_key_frame:
      for (std::size_t i = 0; i < outputs_.size(); ++i) (void)source_.request_key_frame(i);
      break;
    case StallLadder::Action::recreate_encoder:
      source_.recreate_encoder();
      break;
    default:
      break;
  }
}

void Pipeline::after_step(std::uint64_t now_ns) {
  const bool owed =
      source_.watched() && std::any_of(outputs_.begin(), outputs_.end(),
                                       [](const Output& output) { return output.owes_pictures(); });
  watchdog_.alive(owed, all_pictures());
  if (!ready_) say_ready(now_ns);
  if (now_ns - beat_ns_ < kHeartbeat_ns) return;
  beat_ns_ = now_ns;
  for (Output& output : outputs_) {
    if (output.state() == SourceState::live) output.heartbeat();
  }
  say_refusals();
}

void Pipeline::say_ready(std::uint64_t now_ns) {
  const bool announced = std::all_of(outputs_.begin(), outputs_.end(),
                                     [](const Output& output) { return output.announced(); });
  if (!announced && now_ns - began_ns_ < kReadyAnyway_ns) return;
  ready_ = true;
  std::string names;
  for (const Output& output : outputs_) names += (names.empty() ? "" : " and ") + output.name();
  announce_ready("framering-producer",
                 "publishing " + names + (announced ? "" : "; no broker has taken it yet"));
}

void Pipeline::say_refusals() {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    std::string refusal = outputs_[i].refusal();
    if (refusal == refusals_[i]) continue;
    refusals_[i] = std::move(refusal);
    if (refusals_[i].empty()) continue;
    std::fprintf(stderr, "framering-producer: %s: the broker refuses it: %s\n",
                 outputs_[i].name().c_str(), refusals_[i].c_str());
  }
}

// Readers that have the ring keep it, and finish reading without us; the time is for those that are
// just attaching, and ends as soon as nobody is there.
void Pipeline::end() {
  for (Output& output : outputs_) output.set_state(SourceState::ended);
  const std::uint64_t until_ns = monotonic_ns() + limits_.linger_ns;
  while (!stop_.requested() && monotonic_ns() < until_ns) {
    const std::uint64_t now_ns = monotonic_ns();
    std::uint32_t readers = 0;
    for (Output& output : outputs_) {
      output.look_at_demand(now_ns);
      readers += output.demand().readers;
    }
    watchdog_.alive(false, 0);
    if (!ready_) say_ready(now_ns);
    const bool had_a_moment = now_ns - began_ns_ > limits_.linger_ns;
    if (readers == 0 && had_a_moment) return;
    (void)stop_.wait_until(now_ns + kNapForReaders_ns);
  }
}

std::uint64_t Pipeline::pictures() const noexcept {
  std::uint64_t most = 0;
  for (const Output& output : outputs_) most = std::max(most, output.pictures());
  return most;
}

std::uint64_t Pipeline::all_pictures() const noexcept {
  std::uint64_t sum = 0;
  for (const Output& output : outputs_) sum += output.pictures();
  return sum;
}

}  // namespace framering
