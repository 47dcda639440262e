// SPDX-License-Identifier: Apache-2.0
//
// The predictor on a clock of its own: what it promises about windows, cost and giving up.
#include "ring/wake_predictor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace framering {
namespace {

using Spin = WakePredictor::Spin;

constexpr std::uint64_t kStart_ns = 1'000'000'000'000;

// A reader and a producer on one fake clock. Sleeps end `sleeps_late_ns` late.
class FakeReader {
 public:
  explicit FakeReader(std::uint64_t interval) : interval_ns(interval) {}

  // The next frame comes `off_ns` beside its time. How its window went; nothing: there was none.
  std::optional<Spin> frame(std::int64_t off_ns = 0) {
    ++number;
    const std::uint64_t at_ns =
        kStart_ns + number * interval_ns + static_cast<std::uint64_t>(off_ns);
    const std::optional<Spin> outcome = wait_for(at_ns);
    predictor.saw_frame(number, at_ns);
    now_ns = std::max(now_ns, at_ns) + 5'000;  // what the reader does with it
    return outcome;
  }

  void learn() {
    for (std::uint32_t i = 0; i < WakePredictor::kLearnFrames + 20; ++i) (void)frame();
  }

  WakePredictor predictor;
  std::uint64_t interval_ns;
  std::uint64_t number = 0;
  std::uint64_t now_ns = kStart_ns;
  std::uint64_t spun_ns = 0;
  std::uint64_t sleeps_late_ns = 55'000;
  bool busy = false;  // each spin is preempted

 private:
  std::optional<Spin> wait_for(std::uint64_t at_ns) {
    const auto window = predictor.next_window(now_ns, UINT64_MAX);
    if (!window) return {};
    if (window->wake_ns > now_ns) {
      const std::uint64_t woke_ns = window->wake_ns + sleeps_late_ns;
      if (at_ns <= woke_ns) {
        now_ns = at_ns;
        predictor.rung(*window, now_ns);
        return Spin::missed;
      }
      now_ns = woke_ns;
      predictor.woke(*window, now_ns);
    }
    const std::uint64_t began_ns = now_ns;
    const bool found = at_ns <= window->until_ns;
    now_ns = std::max(now_ns, std::min(at_ns, window->until_ns));
    const Spin outcome = busy ? Spin::preempted : found ? Spin::found : Spin::missed;
    predictor.spun(outcome, began_ns, now_ns);
    spun_ns += now_ns - began_ns;
    return outcome;
  }
};

TEST(WakePredictor, GivesNoWindowBeforeItHasSeenAFewFramesInStep) {
  FakeReader reader(4'000'000);
  for (std::uint32_t i = 0; i < WakePredictor::kLearnFrames; ++i) {
    EXPECT_EQ(reader.frame(), std::nullopt) << "frame " << i;
  }
  int windows = 0;
  for (int i = 0; i < 20; ++i) windows += reader.frame().has_value() ? 1 : 0;
  EXPECT_GE(windows, 10);
}

TEST(WakePredictor, IsAwakeForNearlyEveryFrameOfASteadyStream) {
  for (const std::uint64_t interval_ns : {4'000'000u, 16'666'667u, 33'366'700u}) {
    FakeReader reader(interval_ns);
    reader.learn();
    int found = 0;
    for (int i = 0; i < 1000; ++i) found += reader.frame() == Spin::found ? 1 : 0;
    EXPECT_GE(found, 990) << interval_ns << " ns";
    EXPECT_NEAR(static_cast<double>(reader.predictor.interval_ns()),
                static_cast<double>(interval_ns), 2'000.0);
  }
}

TEST(WakePredictor, FindsFramesThatComeWithOrdinaryJitter) {
  std::mt19937 random(1);
  std::normal_distribution<double> jitter(0, 8'000);
  FakeReader reader(4'000'000);
  reader.learn();
  int found = 0;
  for (int i = 0; i < 2000; ++i) {
    found += reader.frame(static_cast<std::int64_t>(jitter(random))) == Spin::found ? 1 : 0;
  }
  EXPECT_GE(found, 1600);
}

TEST(WakePredictor, IsNotMisledByAFrameThatComesLateNowAndThen) {
  FakeReader reader(4'000'000);
  reader.learn();
  int found = 0;
  for (int i = 0; i < 1000; ++i) {
    found += reader.frame(i % 20 == 19 ? 600'000 : 0) == Spin::found ? 1 : 0;
  }
  EXPECT_GE(found, 930);  // nearly all of the 950 others
}

TEST(WakePredictor, FindsOutHowLateSleepsEndHere) {
  FakeReader reader(16'666'667);
  reader.sleeps_late_ns = 150'000;
  int found = 0;
  for (int i = 0; i < 1000; ++i) found += reader.frame() == Spin::found ? 1 : 0;
  EXPECT_GE(found, 700);
}

TEST(WakePredictor, FollowsAClockThatDrifts) {
  FakeReader reader(16'666'667);
  reader.learn();
  int found = 0;
  std::int64_t off_ns = 0;
  for (int i = 0; i < 1000; ++i) {
    off_ns += 1'000;  // 60 parts in a million: a bad quartz
    found += reader.frame(off_ns) == Spin::found ? 1 : 0;
  }
  EXPECT_GE(found, 980);
}

TEST(WakePredictor, NeverSpinsAwayMoreThanItsShareOfACore) {
  std::mt19937 random(2);
  for (const int worst_us : {0, 30, 100, 400, 900}) {
    FakeReader reader(4'000'000);
    std::uniform_int_distribution<std::int64_t> off(-worst_us * 1000, worst_us * 1000);
    const std::uint64_t began_ns = reader.now_ns;
    for (int i = 0; i < 5000; ++i) (void)reader.frame(off(random));
    EXPECT_LE(reader.spun_ns, (reader.now_ns - began_ns) / WakePredictor::kSpinShare + 200'000)
        << worst_us << " us of jitter";
  }
}

TEST(WakePredictor, StopsWhenTheMachineIsBusyAndTriesAgainLater) {
  FakeReader reader(4'000'000);
  reader.learn();
  reader.busy = true;
  int spins = 0;
  for (int i = 0; i < 3000; ++i) spins += reader.frame().has_value() ? 1 : 0;
  EXPECT_LE(spins, 12);  // at frames 0, 16, 48, 112 ...
  EXPECT_GE(spins, 4);
  reader.busy = false;
  int found = 0;
  for (std::uint32_t i = 0; i < WakePredictor::kLongestPause + 1000; ++i) {
    found += reader.frame() == Spin::found ? 1 : 0;
  }
  EXPECT_GE(found, 900);
}

TEST(WakePredictor, StopsWhileFramesDoNotComeAsPredicted) {
  std::mt19937 random(4);
  // In step for as long as it takes to be trusted, then early or late by more than a window.
  FakeReader reader(16'666'667);
  reader.learn();
  ASSERT_EQ(reader.frame(), Spin::found);
  reader.spun_ns = 0;
  const std::uint64_t began_ns = reader.now_ns;
  for (int i = 0; i < 1000; ++i) {
    (void)reader.frame(std::uniform_int_distribution<std::int64_t>(-4'000'000, 4'000'000)(random));
  }
  EXPECT_LE(reader.spun_ns, (reader.now_ns - began_ns) / (2 * WakePredictor::kSpinShare))
      << "half its share";
}

TEST(WakePredictor, PausesAfterMissesInARow) {
  FakeReader reader(4'000'000);
  reader.learn();
  // Each is late by a little more than the last: a clock that runs away from every prediction.
  std::int64_t off_ns = 0;
  for (int i = 0; i < 40 && !reader.predictor.paused(); ++i) {
    off_ns += 60'000LL * i;
    (void)reader.frame(off_ns);
  }
  EXPECT_TRUE(reader.predictor.paused());
}

TEST(WakePredictor, GivesAtMostOneWindowForAFrame) {
  FakeReader reader(4'000'000);
  reader.learn();
  std::uint64_t now_ns = reader.now_ns;
  while (!reader.predictor.next_window(now_ns, UINT64_MAX)) {
    (void)reader.frame();
    now_ns = reader.now_ns;
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(reader.predictor.next_window(now_ns += 10'000, UINT64_MAX), std::nullopt);
  }
}

TEST(WakePredictor, KeepsAWindowThatEndsAfterTheCallerWantsToBeBack) {
  FakeReader reader(100'000'000);
  reader.learn();
  ASSERT_EQ(reader.frame(), Spin::found);
  const std::uint64_t now_ns = reader.now_ns;
  EXPECT_EQ(reader.predictor.next_window(now_ns, now_ns + 50'000'000), std::nullopt);
  EXPECT_NE(reader.predictor.next_window(now_ns, now_ns + 200'000'000), std::nullopt);
}

TEST(WakePredictor, LearnsAnewAfterAGapAndAnotherProducer) {
  FakeReader reader(4'000'000);
  reader.learn();
  reader.predictor.forget();
  EXPECT_EQ(reader.frame(), std::nullopt);
  reader.learn();
  reader.number += 1'000;  // nothing was read for four seconds
  reader.now_ns = kStart_ns + reader.number * reader.interval_ns;
  (void)reader.frame();
  EXPECT_EQ(reader.frame(), std::nullopt);
  reader.learn();
  EXPECT_EQ(reader.frame(), Spin::found);
}

// Of these, the next frame's time is none that a number could hold.
TEST(WakePredictor, PredictsNothingFromTimesAtTheEndOfAllNumbers) {
  WakePredictor predictor;
  const auto last_ns = static_cast<std::uint64_t>(INT64_MAX);
  for (std::uint64_t n = 1; n <= 40; ++n) {
    predictor.saw_frame(n, last_ns - (40 - n) * 4'000'000);
    EXPECT_EQ(predictor.next_window(last_ns - (40 - n) * 4'000'000, UINT64_MAX), std::nullopt);
    EXPECT_EQ(predictor.interval_ns(), 0u);
  }
}

TEST(WakePredictor, SurvivesWhateverAProducerClaims) {
  std::mt19937_64 random(3);
  WakePredictor predictor;
  std::uint64_t now_ns = kStart_ns;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t claim = random() >> (random() % 64);
    const std::uint64_t number = random() >> (random() % 64);
    predictor.saw_frame(number, random() % 2 == 0 ? claim : now_ns + claim % 100'000'000);
    now_ns += 1'000'000;
    if (const auto window = predictor.next_window(now_ns, UINT64_MAX)) {
      // Whoever follows it sleeps or spins for a bounded time.
      ASSERT_LE(window->until_ns, now_ns + 2 * WakePredictor::kMaxInterval_ns);
      ASSERT_LE(window->until_ns - window->from_ns,
                WakePredictor::kMaxInterval_ns / WakePredictor::kSpinShare * 16);
    }
  }
}

}  // namespace
}  // namespace framering
