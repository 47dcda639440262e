// SPDX-License-Identifier: Apache-2.0
//
// What the producer decides about key frames, rates, stalls and still pictures; on a made-up clock.
#include <gtest/gtest.h>

#include "key_request_arbiter.h"
#include "rate_control.h"
#include "sources/still_detector.h"
#include "watchdog.h"

namespace framering {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::uint64_t kStart = 5000 * kSecond;

TEST(KeyRequestArbiter, TheFirstRequestGoesAtOnce) {
  KeyRequestArbiter arbiter;
  EXPECT_FALSE(arbiter.grant(kStart));
  arbiter.ask();
  EXPECT_TRUE(arbiter.grant(kStart));
}

TEST(KeyRequestArbiter, AThousandRequestsASecondCostAtMostTwoInAnySecond) {
  KeyRequestArbiter arbiter;
  std::vector<std::uint64_t> granted;
  for (std::uint64_t ms = 0; ms < 10'000; ++ms) {
    const std::uint64_t now = kStart + ms * kMs;
    arbiter.ask();
    if (arbiter.grant(now)) {
      granted.push_back(now);
      arbiter.key_frame_published();
    }
  }
  EXPECT_GE(granted.size(), 10u);
  for (std::size_t i = 2; i < granted.size(); ++i) {
    EXPECT_GT(granted[i] - granted[i - 2], kSecond);
  }
}

TEST(KeyRequestArbiter, NothingIsLeftOverAfterAStorm) {
  KeyRequestArbiter arbiter;
  for (int i = 0; i < 1000; ++i) arbiter.ask();
  EXPECT_TRUE(arbiter.grant(kStart));
  arbiter.key_frame_published();
  for (std::uint64_t ms = 0; ms < 5000; ms += 10) EXPECT_FALSE(arbiter.grant(kStart + ms * kMs));
}

TEST(KeyRequestArbiter, ARequestThatTheEncoderOverlooksIsRepeated) {
  KeyRequestArbiter arbiter;
  arbiter.ask();
  EXPECT_TRUE(arbiter.grant(kStart));
  EXPECT_FALSE(arbiter.grant(kStart + 100 * kMs));
  EXPECT_TRUE(arbiter.grant(kStart + 600 * kMs));
}

TEST(RateControl, GivesWayToBacklogWithinItsBoundsAndComesBackSlowly) {
  RateControl rate({500, 3000}, 30);
  std::uint64_t now = kStart;
  EXPECT_EQ(rate.update(now, {0, 0}), 3000u);
  EXPECT_LT(rate.update(now, {100, 0}), 3000u);
  const std::uint32_t after_one = rate.value();
  EXPECT_EQ(rate.update(now + 100 * kMs, {100, 0}), after_one) << "one step a second";
  for (int i = 0; i < 100; ++i) (void)rate.update(now += kSecond, {100, 0});
  EXPECT_EQ(rate.value(), 500u);
  (void)rate.update(now + kSecond, {0, 0});
  EXPECT_EQ(rate.value(), 500u) << "not before it has been quiet for a while";
  std::uint32_t before = rate.value();
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t value = rate.update(now += kSecond, {0, 0});
    EXPECT_LE(value - before, 250u) << "small steps up";
    before = value;
  }
  EXPECT_EQ(rate.value(), 3000u);
}

TEST(RateControl, FollowsWhatTheSlowestViewerCanTake) {
  RateControl rate({500, 3000}, 30);
  EXPECT_EQ(rate.update(kStart, {0, 1200}), 1200u);
  EXPECT_EQ(rate.update(kStart + kSecond, {0, 20}), 500u) << "never below the floor";
}

TEST(RateControl, ANewCeilingHoldsAtOnce) {
  RateControl rate({500, 3000}, 30);
  EXPECT_TRUE(rate.lower(kStart));
  rate.set_bounds({500, 6000});
  EXPECT_EQ(rate.value(), 6000u);
  rate.set_bounds({500, 1000});
  EXPECT_EQ(rate.value(), 1000u);
}

TEST(RateControl, CannotBeLoweredBelowItsFloor) {
  RateControl rate({51, 80}, 10);
  int steps = 0;
  while (rate.lower(kStart) && steps < 100) ++steps;
  EXPECT_EQ(rate.value(), 51u);
  EXPECT_LT(steps, 20);
}

TEST(RateControl, GoesDownAndUpOnALadderOfSteps) {
  RateControl rate({51, 80, 10}, 10);
  std::uint64_t now = kStart;
  for (const std::uint32_t down : {70u, 60u, 51u, 51u})
    EXPECT_EQ(rate.update(now += kSecond, {11, 0}), down);
  now += 3 * kSecond;
  for (const std::uint32_t up : {60u, 70u, 80u, 80u})
    EXPECT_EQ(rate.update(now += 2 * kSecond, {10, 0}), up);
}

TEST(StallLadder, ClimbsFromAKeyFrameToANewChannelToTheEnd) {
  using Action = StallLadder::Action;
  StallLadder ladder;
  const auto at = [&](std::uint64_t ms) { return ladder.look(kStart + ms * kMs, true, 7); };
  EXPECT_EQ(at(0), Action::none);
  EXPECT_EQ(at(1900), Action::none);
  EXPECT_EQ(at(2000), Action::request_key_frame);
  EXPECT_EQ(at(2500), Action::none);
  EXPECT_EQ(at(4000), Action::recreate_encoder);
  EXPECT_EQ(at(6000), Action::give_up);
}

TEST(StallLadder, APictureOrTheEndOfDemandStartsItOver) {
  using Action = StallLadder::Action;
  StallLadder ladder;
  (void)ladder.look(kStart, true, 1);
  EXPECT_EQ(ladder.look(kStart + 2 * kSecond, true, 1), Action::request_key_frame);
  EXPECT_EQ(ladder.look(kStart + 3 * kSecond, true, 2), Action::none);
  EXPECT_EQ(ladder.look(kStart + 5 * kSecond, true, 2), Action::request_key_frame);
  EXPECT_EQ(ladder.look(kStart + 6 * kSecond, false, 2), Action::none);
  EXPECT_EQ(ladder.look(kStart + 60 * kSecond, true, 2), Action::none);
  EXPECT_EQ(ladder.look(kStart + 61 * kSecond, true, 2), Action::none);
}

TEST(StillDetector, TellsTheFirstChangeAfterAStillPicture) {
  StillDetector still;
  constexpr std::size_t kUsual = 12'500;
  std::uint64_t now = kStart;
  for (int i = 0; i < 90; ++i) EXPECT_FALSE(still.first_change(now += 33 * kMs, 200, kUsual));
  EXPECT_FALSE(still.first_change(now += 33 * kMs, 2500, kUsual)) << "a blinking cursor";
  EXPECT_TRUE(still.first_change(now += 33 * kMs, 9000, kUsual));
  EXPECT_FALSE(still.first_change(now += 33 * kMs, 9000, kUsual)) << "only the first one";
}

TEST(StillDetector, AMovingPictureWithOneQuietFrameWasNotStill) {
  StillDetector still;
  std::uint64_t now = kStart;
  for (int i = 0; i < 300; ++i) {
    EXPECT_FALSE(still.first_change(now += 33 * kMs, i % 20 == 0 ? 100 : 9000, 12'500));
  }
}

}  // namespace
}  // namespace framering
