// SPDX-License-Identifier: Apache-2.0
//
// Each fault on command, through the control socket and its command-line tool.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "vendor_client.h"

namespace kvm_standin {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class StandinFault : public testing::Test {
 protected:
  void SetUp() override {
    setenv("KVM_STANDIN_FPS", "200", 1);
    setenv("KVM_STANDIN_CONTROL", socket_.c_str(), 1);
    start(640, 480);
    mmf_venc_cfg_t config = h264_config(640, 480);
    ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
  }
  void TearDown() override {
    vendor().try_deinit(true);
    EXPECT_NE(access(socket_.c_str(), F_OK), 0) << "the socket is removed";
    unsetenv("KVM_STANDIN_CONTROL");
    unsetenv("KVM_STANDIN_FPS");
    unsetenv("KVM_STANDIN_FAULT");
  }

  bool tell(const std::string& command) const {
    const std::string line =
        build_file("kvm-standin-ctl") + " " + socket_ + " " + command + " >/dev/null";
    return std::system(line.c_str()) == 0;
  }

  const std::string socket_ = "/tmp/kvm_standin_test." + std::to_string(getpid());
};

TEST_F(StandinFault, a_command_that_is_none_is_answered_with_an_error) {
  EXPECT_FALSE(tell("dance"));
  EXPECT_FALSE(tell("resolution big"));
  EXPECT_FALSE(tell("still maybe"));
  EXPECT_FALSE(tell("encoder_error many"));
  EXPECT_TRUE(tell("ok"));
}

TEST_F(StandinFault, no_signal_fails_the_pop_after_its_second_and_ends_by_itself) {
  int failed = 0;
  for (int attempt = 0; attempt < 5 && failed == 0; ++attempt) {  // a busy machine tells it late
    const auto told = Clock::now();
    ASSERT_TRUE(tell("no_signal 2.5"));
    Frame frame;
    for (auto begin = Clock::now(); pop_frame(frame) != kOk; begin = Clock::now()) {
      EXPECT_GE(seconds_since(begin), 0.9);
      ++failed;
    }
    EXPECT_GE(seconds_since(told), 2.4);
    EXPECT_LE(failed, 2) << "the signal comes back while the third pop waits";
    vendor().vi_frame_release(0);
  }
  EXPECT_GT(failed, 0);
}

TEST_F(StandinFault, ok_brings_the_signal_back) {
  ASSERT_TRUE(tell("no_signal"));
  Frame frame;
  EXPECT_EQ(pop_frame(frame), kNoImage);
  ASSERT_TRUE(tell("ok"));
  EXPECT_EQ(pop_frame(frame), kOk);
  vendor().vi_frame_release(0);
}

TEST_F(StandinFault, a_new_resolution_fails_three_pops_then_frames_have_the_new_size) {
  ASSERT_TRUE(tell("resolution 1280x720"));
  Frame frame;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pop_frame(frame), kChangingResolution);
  ASSERT_EQ(pop_frame(frame), kOk);
  EXPECT_EQ(frame.w, 1280);
  EXPECT_EQ(frame.h, 720);
  vendor().vi_frame_release(0);
}

TEST_F(StandinFault, a_scaled_resolution_keeps_the_size_of_the_channel) {
  ASSERT_TRUE(tell("resolution 1280x720 scaled"));
  Frame frame;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pop_frame(frame), kChangingResolution);
  ASSERT_EQ(pop_frame(frame), kOk);
  EXPECT_EQ(frame.w, 640);
  vendor().vi_frame_release(0);
}

TEST_F(StandinFault, an_unsupported_resolution_has_its_own_code) {
  ASSERT_TRUE(tell("unsupported_resolution"));
  Frame frame;
  EXPECT_EQ(pop_frame(frame), kUnsupportedResolution);
  ASSERT_TRUE(tell("ok"));
  EXPECT_EQ(pop_frame(frame), kOk);
  vendor().vi_frame_release(0);
}

TEST_F(StandinFault, encoder_errors_fail_as_many_pops_as_asked_and_a_free_recovers) {
  next_h264();
  ASSERT_TRUE(tell("encoder_error 2"));
  Frame frame;
  mmf_stream_t stream{};
  ASSERT_EQ(pop_frame(frame), kOk);
  vendor().vi_frame_free(0);
  ASSERT_EQ(vendor().venc_push(1, frame.data, frame.w, frame.h, frame.format), kOk);
  const auto begin = Clock::now();
  EXPECT_EQ(vendor().venc_pop(1, &stream), kEncoderError);
  EXPECT_GE(seconds_since(begin), 0.079);
  EXPECT_EQ(vendor().venc_free(1), kOk);

  ASSERT_EQ(pop_frame(frame), kOk);
  ASSERT_EQ(vendor().jpg_push(0, frame.data, frame.w, frame.h, frame.format, 80), kOk);
  uint8_t* data = nullptr;
  int size = 0;
  EXPECT_EQ(vendor().jpg_pop(0, &data, &size), kEncoderError);
  EXPECT_EQ(vendor().jpg_deinit(0), kOk);
  vendor().vi_frame_release(0);
  EXPECT_FALSE(next_jpeg(80).empty());
  EXPECT_EQ(next_h264().size(), 1U);
}

TEST_F(StandinFault, a_pop_that_failed_may_be_repeated) {
  ASSERT_TRUE(tell("encoder_error"));
  Frame frame;
  mmf_stream_t stream{};
  ASSERT_EQ(pop_frame(frame), kOk);
  vendor().vi_frame_free(0);
  ASSERT_EQ(vendor().venc_push(1, frame.data, frame.w, frame.h, frame.format), kOk);
  EXPECT_EQ(vendor().venc_pop(1, &stream), kEncoderError);
  EXPECT_EQ(vendor().venc_pop(1, &stream), kOk);
  EXPECT_EQ(stream.count, 3);
  EXPECT_EQ(vendor().venc_free(1), kOk);
}

TEST_F(StandinFault, a_big_key_frame_is_padded_with_filler_that_decoders_skip) {
  Decoder decoder("h264");
  ASSERT_TRUE(tell("big_key"));
  const auto padded = joined(next_h264());
  EXPECT_EQ(padded.size(), 600U * 1024);
  auto picture = decoder.decode(padded);
  ASSERT_TRUE(picture && picture->barcode);
  picture = decoder.decode(joined(next_h264()));
  ASSERT_TRUE(picture && picture->barcode);

  vendor().request_idr(1, 1);
  EXPECT_LT(joined(next_h264()).size(), 200U * 1024) << "only once";
  ASSERT_TRUE(tell("big_key_always 400000"));
  for (int i = 0; i < 2; ++i) {
    vendor().request_idr(1, 1);
    EXPECT_EQ(joined(next_h264()).size(), 400'000U);
  }
}

TEST_F(StandinFault, still_can_be_switched_while_running) {
  ASSERT_TRUE(tell("still on"));
  const Bytes first = next_jpeg(80);
  EXPECT_EQ(first, next_jpeg(80));
  ASSERT_TRUE(tell("still off"));
  EXPECT_NE(first, next_jpeg(80));
}

TEST_F(StandinFault, faults_can_be_set_at_start) {
  vendor().try_deinit(true);
  setenv("KVM_STANDIN_FAULT", "unsupported_resolution; still on", 1);
  start(640, 480);
  Frame frame;
  EXPECT_EQ(pop_frame(frame), kUnsupportedResolution);
}

// The library is started anew in the child, whose thread it then belongs to.
void start_with_fault(const char* fault) {
  unsetenv("KVM_STANDIN_CONTROL");
  setenv("KVM_STANDIN_FAULT", fault, 1);
  vendor().init();
}

TEST(StandinFaultDeathTest, crash_is_a_segmentation_fault_in_the_next_call) {
  EXPECT_EXIT(
      {
        start_with_fault("crash");
        vendor().vi_init();
      },
      testing::KilledBySignal(SIGSEGV), "");
}

TEST(StandinFaultDeathTest, hang_never_returns_from_the_next_call) {
  EXPECT_EXIT(
      {
        start_with_fault("hang");
        alarm(1);
        vendor().vi_init();
        _exit(0);
      },
      testing::KilledBySignal(SIGALRM), "");
}

}  // namespace
}  // namespace kvm_standin
