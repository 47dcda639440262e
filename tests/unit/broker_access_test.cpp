// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace framering {
namespace {

Peer peer(uid_t uid, gid_t gid = 100, std::vector<gid_t> groups = {}) {
  return {uid, gid, 1, std::move(groups)};
}

TEST(AccessList, WithoutRulesAllowsEverybodyAndTrustsTheProducersOwnUser) {
  const AccessList list;
  EXPECT_TRUE(list.allows(Verb::produce, "a", peer(5)));
  EXPECT_TRUE(list.allows(Verb::read, "a", peer(5)));
  EXPECT_TRUE(list.trusts("a", peer(5), 5));
  EXPECT_FALSE(list.trusts("a", peer(6), 5));
}

TEST(AccessList, ARuleForAVerbShutsOutEverybodyElseFromThatVerbOnly) {
  AccessList list;
  list.add("read:hdmi/*:uid=7");
  EXPECT_TRUE(list.allows(Verb::read, "hdmi/h264", peer(7)));
  EXPECT_FALSE(list.allows(Verb::read, "hdmi/h264", peer(0)));
  EXPECT_FALSE(list.allows(Verb::read, "cam/h264", peer(7)));
  EXPECT_TRUE(list.allows(Verb::produce, "hdmi/h264", peer(8)));
}

TEST(AccessList, AGroupRuleCountsSupplementaryGroups) {
  AccessList list;
  list.add("read:*:gid=44");
  EXPECT_TRUE(list.allows(Verb::read, "a", peer(7, 44)));
  EXPECT_TRUE(list.allows(Verb::read, "a/b", peer(7, 1, {2, 44})));
  EXPECT_FALSE(list.allows(Verb::read, "a", peer(44, 1, {2})));
}

TEST(AccessList, TrustRulesReplaceTheDefault) {
  AccessList list;
  list.add("trust:cam:uid=9");
  EXPECT_TRUE(list.trusts("cam", peer(9), 5));
  EXPECT_FALSE(list.trusts("cam", peer(5), 5));
  EXPECT_FALSE(list.trusts("other", peer(5), 5));
}

TEST(AccessList, TakesNamesAndAnybody) {
  AccessList list;
  list.add("operate:*:uid=root");
  list.add("produce:*:*");
  EXPECT_TRUE(list.allows(Verb::operate, "a", peer(0)));
  EXPECT_FALSE(list.allows(Verb::operate, "a", peer(1)));
  EXPECT_TRUE(list.allows(Verb::produce, "a", peer(1)));
}

TEST(AccessList, RefusesMisshapenRulesAndQuotesThem) {
  for (const char* rule : {"", "read", "read:x", "look:x:*", "read::*", "read:x:me",
                           "read:x:uid=", "read:x:uid=no-such-user-here", "read:x:gid=-1"}) {
    AccessList list;
    try {
      list.add(rule);
      ADD_FAILURE() << "taken: " << rule;
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find(rule), std::string::npos) << error.what();
    }
  }
}

TEST(AttemptLimiter, AllowsABurstThenARateForEachUserByItself) {
  AttemptLimiter limiter(3, 10);
  constexpr std::uint64_t kStart = 1'000'000'000;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take(1, kStart));
  EXPECT_FALSE(limiter.take(1, kStart));
  EXPECT_TRUE(limiter.take(2, kStart));
  EXPECT_FALSE(limiter.take(1, kStart + 50'000'000));
  EXPECT_TRUE(limiter.take(1, kStart + 150'000'000));
  EXPECT_FALSE(limiter.take(1, kStart + 150'000'000));
}

TEST(AttemptLimiter, ForgetsTheQuietestUserWhenTheTableIsFull) {
  AttemptLimiter limiter(1, 1);
  std::uint64_t now = 1'000'000'000;
  for (uid_t uid = 0; uid < 200; ++uid) EXPECT_TRUE(limiter.take(uid, ++now));
  EXPECT_FALSE(limiter.take(199, ++now));
}

}  // namespace
}  // namespace framering
