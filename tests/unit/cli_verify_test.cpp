// SPDX-License-Identifier: Apache-2.0
//
// The checker behind `framering cat --verify`, and that it catches what it is for: each kind of
// fault is built by hand and must turn its verdict.
#include "verify.h"

#include <gtest/gtest.h>

#include <vector>

namespace framering::cli {

namespace {

constexpr std::uint64_t kStartNs = 1'000'000'000;

// A frame of the pattern source as a reader hands it out.
class PatternFrame {
 public:
  explicit PatternFrame(std::uint64_t number, std::uint64_t lost_before = 0,
                        std::uint64_t generation = 7)
      : bytes_(1000) {
    write_pattern(bytes_, number);
    frame_.generation = generation;
    frame_.number = number;
    frame_.lost_before = lost_before;
    frame_.meta.flags = kFrameKey;
    frame_.bytes = bytes_;
  }
  [[nodiscard]] Frame& frame() { return frame_; }
  [[nodiscard]] std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  Frame frame_;
};

class VerifierTest : public testing::Test {
 protected:
  void take(const Frame& frame, bool revoked = false) {
    CheckedFrame checked = check_frame(frame);
    checked.revoked = revoked;
    checked.now_ns = now_ns_ += 1'000'000;
    verifier_.take(checked);
    counts_.delivered += 1;
    counts_.lost_lapped += frame.lost_before;
  }
  void take(std::uint64_t number, std::uint64_t lost_before = 0, std::uint64_t generation = 7) {
    PatternFrame frame(number, lost_before, generation);
    take(frame.frame());
  }
  nlohmann::ordered_json report() {
    verifier_.finish(counts_);
    return verifier_.report();
  }
  bool good() {
    verifier_.finish(counts_);
    return verifier_.good();
  }

  Verifier verifier_{kStartNs};
  ReadCounts counts_;
  std::uint64_t now_ns_ = kStartNs;
};

}  // namespace

TEST_F(VerifierTest, whole_frames_in_order_are_good) {
  for (std::uint64_t n = 5; n < 15; ++n) take(n);
  EXPECT_TRUE(good());
  const auto json = report();
  EXPECT_EQ(json["delivered"], 10);
  EXPECT_EQ(json["lost"], 0);
  EXPECT_EQ(json["torn"], 0);
  EXPECT_EQ(json["first"], 5);
  EXPECT_EQ(json["last"], 14);
  EXPECT_EQ(json["published_after_first"], 10);
  EXPECT_EQ(json["first_frame_ms"], 1.0);
  EXPECT_EQ(json["max_gap_ms"], 1.0);
  EXPECT_EQ(json["first_key"], true);
}

TEST_F(VerifierTest, nothing_read_is_good_and_says_so) {
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["delivered"], 0);
  EXPECT_EQ(report()["first_key"], false);
  EXPECT_TRUE(report()["first_frame_ms"].is_null());
}

TEST_F(VerifierTest, canary_one_flipped_bit_is_a_torn_frame) {
  take(1);
  PatternFrame torn(2);
  torn.bytes()[777] ^= std::byte{0x10};
  take(torn.frame());
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["torn"], 1);
  EXPECT_EQ(report()["delivered"], 1);
}

TEST_F(VerifierTest, canary_a_frame_half_overwritten_by_the_next_is_torn) {
  PatternFrame torn(1);
  PatternFrame next(2);
  std::copy(next.bytes().begin() + 504, next.bytes().end(), torn.bytes().begin() + 504);
  take(torn.frame());
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["torn"], 1);
}

TEST_F(VerifierTest, canary_a_whole_frame_under_the_wrong_number_is_torn) {
  PatternFrame other(9);
  other.frame().number = 1;
  take(other.frame());
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["torn"], 1);
}

TEST_F(VerifierTest, canary_a_cut_frame_is_torn) {
  PatternFrame cut(1);
  cut.frame().bytes = cut.frame().bytes.first(999);
  take(cut.frame());
  PatternFrame empty(2);
  empty.frame().bytes = {};
  take(empty.frame());
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["torn"], 2);
}

TEST_F(VerifierTest, canary_a_repeated_or_older_frame_is_wrong_order) {
  take(4);
  take(4);
  take(3);
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["wrong_order"], 2);
}

TEST_F(VerifierTest, losses_that_are_told_are_good_and_add_up) {
  take(1);
  take(5, 3);
  take(6);
  take(10, 3);
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["delivered"], 4);
  EXPECT_EQ(report()["lost"], 6);
  EXPECT_EQ(report()["published_after_first"], 10);
}

TEST_F(VerifierTest, canary_a_gap_that_the_reader_did_not_tell_is_a_fault) {
  take(1);
  take(3);
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["miscounted"], 1);
}

TEST_F(VerifierTest, canary_a_loss_that_did_not_happen_is_a_fault) {
  take(1);
  take(2, 1);
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["miscounted"], 1);
}

TEST_F(VerifierTest, canary_a_reader_that_counts_less_than_it_tells_does_not_balance) {
  take(1);
  take(3, 1);
  counts_.lost_lapped = 0;
  EXPECT_FALSE(good());
  EXPECT_EQ(report()["balanced"], false);
}

TEST_F(VerifierTest, losses_after_the_newest_frame_count_as_published) {
  take(1);
  take(2);
  counts_.lost_undecodable = 4;
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["lost"], 4);
  EXPECT_EQ(report()["published_after_first"], 6);
}

TEST_F(VerifierTest, a_new_generation_may_begin_anywhere) {
  take(100);
  take(101);
  take(3, 2, 8);
  take(4, 0, 8);
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["generations"], 2);
  EXPECT_EQ(report()["first"], 100);
  EXPECT_EQ(report()["last"], 4);
  EXPECT_EQ(report()["lost"], 2);
  EXPECT_EQ(report()["published_after_first"], 6);
}

TEST_F(VerifierTest, a_generation_that_begins_without_a_key_frame_is_told) {
  take(1);
  PatternFrame second(1, 0, 8);
  second.frame().meta.flags = 0;
  take(second.frame());
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["first_key"], false);
}

TEST_F(VerifierTest, damage_under_a_revoked_lease_is_lost_and_not_torn) {
  take(1);
  PatternFrame overwritten(2);
  overwritten.bytes()[100] ^= std::byte{1};
  take(overwritten.frame(), true);
  take(3);
  EXPECT_TRUE(good());
  EXPECT_EQ(report()["torn"], 0);
  EXPECT_EQ(report()["revoked"], 1);
  EXPECT_EQ(report()["delivered"], 2);
  EXPECT_EQ(report()["lost"], 1);
  EXPECT_EQ(report()["published_after_first"], 3);
}

}  // namespace framering::cli
