// SPDX-License-Identifier: Apache-2.0
//
// Each rule of the vendor's library, broken once: the stand-in must end the process with a
// sentence. The library starts in the death test's child, whose thread it belongs to.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "vendor_client.h"

namespace kvm_standin {
namespace {

constexpr int kW = 640;
constexpr int kH = 480;

void start_both() {
  setenv("KVM_STANDIN_FPS", "200", 1);
  start(kW, kH);
  mmf_venc_cfg_t config = h264_config(kW, kH);
  vendor().add_venc_channel(kH264Channel, &config);
}

Frame popped() {
  start_both();
  Frame frame;
  pop_frame(frame);
  return frame;
}

// A frame in the H.264 encoder.
Frame pushed() {
  Frame frame = popped();
  vendor().vi_frame_free(0);
  vendor().venc_push(1, frame.data, kW, kH, kFormatNv21);
  return frame;
}

Frame jpeg_pushed() {
  Frame frame = popped();
  vendor().jpg_push(0, frame.data, kW, kH, kFormatNv21, 80);
  return frame;
}

TEST(StandinRulesDeathTest, nothing_comes_before_mmf_init) {
  EXPECT_DEATH(vendor().vi_init(), "kvm_mmf stand-in: mmf_vi_init: called before mmf_init");
  EXPECT_DEATH(vendor().request_idr(1, 1), "CVI_VENC_RequestIDR: called before mmf_init");
}

TEST(StandinRulesDeathTest, capture_is_started_in_order) {
  EXPECT_DEATH(
      {
        vendor().init();
        vendor().add_vi_channel(0, kW, kH, kFormatNv21);
      },
      "called before mmf_vi_init");
  EXPECT_DEATH(
      {
        Frame frame;
        vendor().init();
        vendor().vi_init();
        pop_frame(frame);
      },
      "vi channel 0 was not added");
}

TEST(StandinRulesDeathTest, no_second_thread_may_call) {
  EXPECT_DEATH(
      {
        start_both();
        std::thread([] { vendor().vi_frame_release(0); }).join();
      },
      "called from thread");
  EXPECT_DEATH(
      {
        start_both();
        std::thread([] { vendor().request_idr(1, 1); }).join();
      },
      "called from thread");
  EXPECT_DEATH(
      {
        start_both();
        std::thread([] { vendor().init(); }).join();
      },
      "called from thread");
}

TEST(StandinRulesDeathTest, a_push_must_be_popped_before_anything_else) {
  EXPECT_DEATH(
      {
        Frame f = pushed();
        vendor().venc_push(1, f.data, kW, kH, kFormatNv21);
      },
      "not popped: the codec is wedged");
  EXPECT_DEATH(
      {
        Frame f = pushed();
        pop_frame(f);
      },
      "not popped: the codec is wedged");
  EXPECT_DEATH(
      {
        pushed();
        vendor().venc_free(1);
      },
      "not popped: the codec is wedged");
  EXPECT_DEATH(
      {
        Frame f = jpeg_pushed();
        vendor().jpg_push(0, f.data, kW, kH, kFormatNv21, 80);
      },
      "not popped: the codec is wedged");
  EXPECT_DEATH(
      {
        jpeg_pushed();
        vendor().jpg_free(0);
      },
      "not popped: the codec is wedged");
}

TEST(StandinRulesDeathTest, a_picture_must_be_freed_before_the_next) {
  EXPECT_DEATH(
      {
        Frame f = pushed();
        mmf_stream_t s;
        vendor().venc_pop(1, &s);
        pop_frame(f);
      },
      "was not freed");
  EXPECT_DEATH(
      {
        pushed();
        mmf_stream_t s;
        vendor().venc_pop(1, &s);
        vendor().venc_pop(1, &s);
      },
      "popped before");
}

TEST(StandinRulesDeathTest, a_pop_needs_a_push) {
  EXPECT_DEATH(
      {
        start_both();
        mmf_stream_t s;
        vendor().venc_pop(1, &s);
      },
      "nothing was pushed");
  EXPECT_DEATH(
      {
        start_both();
        uint8_t* data;
        int size;
        vendor().jpg_pop(0, &data, &size);
      },
      "nothing was pushed");
}

TEST(StandinRulesDeathTest, a_frame_must_be_released_before_the_next_pop) {
  EXPECT_DEATH(
      {
        Frame f = popped();
        pop_frame(f);
      },
      "last frame was not released");
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_free(0);
        pop_frame(f);
      },
      "only defers");
  EXPECT_DEATH(
      {
        popped();
        vendor().add_vi_channel(0, 320, 240, kFormatNv21);
      },
      "not released");
}

TEST(StandinRulesDeathTest, a_frame_is_freed_once_and_not_used_afterwards) {
  EXPECT_DEATH(
      {
        popped();
        vendor().vi_frame_free(0);
        vendor().vi_frame_free(0);
      },
      "freed before");
  EXPECT_DEATH(
      {
        pushed();
        vendor().vi_frame_release(0);
      },
      "venc_free releases it");
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_release(0);
        vendor().venc_push(1, f.data, kW, kH, kFormatNv21);
      },
      "released before");
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_release(0);
        vendor().jpg_push(0, f.data, kW, kH, kFormatNv21, 80);
      },
      "released before");
  EXPECT_EXIT(
      {
        Frame f = popped();
        vendor().vi_frame_release(0);
        std::signal(SIGSEGV, SIG_DFL);  // a sanitizer has a handler of its own
        _exit(*const_cast<volatile uint8_t*>(f.data));
      },
      testing::KilledBySignal(SIGSEGV), "")
      << "reading a released frame";
}

TEST(StandinRulesDeathTest, jpeg_comes_before_h264) {
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_free(0);
        vendor().jpg_push(0, f.data, kW, kH, kFormatNv21, 80);
      },
      "all of JPEG first");
  EXPECT_DEATH(
      {
        Frame f = jpeg_pushed();
        vendor().vi_frame_free(0);
        vendor().venc_push(1, f.data, kW, kH, kFormatNv21);
      },
      "last JPEG push was not popped");
}

TEST(StandinRulesDeathTest, sizes_and_channels_must_fit) {
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_free(0);
        vendor().venc_push(1, f.data, 320, 240, kFormatNv21);
      },
      "the frame is 640x480, not 320x240");
  EXPECT_DEATH(
      {
        Frame f = popped();
        vendor().vi_frame_free(0);
        vendor().venc_push(2, f.data, kW, kH, kFormatNv21);
      },
      "channel 2 was not added");
}

}  // namespace
}  // namespace kvm_standin
