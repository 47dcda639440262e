// SPDX-License-Identifier: Apache-2.0
//
// The stand-in as a host that behaves sees it: symbols, pictures, encoders.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "vendor_client.h"

namespace kvm_standin {
namespace {

class Standin : public testing::Test {
 protected:
  void SetUp() override { setenv("KVM_STANDIN_FPS", "200", 1); }
  void TearDown() override {
    vendor().init();  // deinit wants a library that was started
    vendor().try_deinit(true);
    unsetenv("KVM_STANDIN_STILL");
    unsetenv("KVM_STANDIN_FPS");
  }
};

std::string dynamic_symbols(const std::string& library) {
  std::string text;
  FILE* pipe = popen(("nm -D --defined-only " + build_file(library)).c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) {
    text += buffer.data();
  }
  pclose(pipe);
  return text;
}

TEST(StandinSymbols, are_those_of_the_vendor_with_their_mangled_names) {
  const std::string kvm = dynamic_symbols("libkvm_mmf.so");
  for (const char* symbol :
       {"_Z8mmf_initv", "_Z11mmf_vi_initv", "_Z18mmf_add_vi_channeliiii",
        "_Z16mmf_vi_frame_popiPPvPiS1_S1_S1_", "_Z17mmf_vi_frame_freei",
        "_Z20mmf_vi_frame_releasei", "_Z20mmf_add_venc_channeliP14mmf_venc_cfg_t",
        "_Z13mmf_venc_pushiPhiii", "_Z12mmf_venc_popiP12mmf_stream_t", "_Z13mmf_venc_freei",
        "_Z20mmf_del_venc_channeli", "_Z16mmf_enc_jpg_initiiiii",
        "_Z29mmf_enc_jpg_push_with_qualityiPhiiii", "_Z15mmf_enc_jpg_popiPPhPi",
        "_Z16mmf_enc_jpg_freei", "_Z18mmf_enc_jpg_deiniti", "_Z14mmf_try_deinitb"}) {
    EXPECT_NE(kvm.find(std::string(" T ") + symbol + "\n"), std::string::npos) << symbol;
  }
  EXPECT_NE(dynamic_symbols("libvenc.so").find(" T CVI_VENC_RequestIDR\n"), std::string::npos);
}

TEST(StandinBarcode, survives_h264_at_the_lowest_bitrate_and_the_worst_jpeg_in_each_size) {
  constexpr std::array<std::array<int, 2>, 5> kSizes{
      {{320, 240}, {640, 480}, {1024, 768}, {1280, 720}, {1920, 1080}}};
  for (const auto& [w, h] : kSizes) {
    start(w, h);
    mmf_venc_cfg_t config = h264_config(w, h);
    config.bitrate = 500;
    ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
    Decoder h264("h264");
    Decoder mjpeg("mjpeg");
    uint32_t last = 0;
    for (int i = 0; i < 40; ++i) {
      const auto picture = h264.decode(joined(next_h264()));
      ASSERT_TRUE(picture && picture->barcode) << w << "x" << h << ", picture " << i;
      EXPECT_EQ(picture->width, w);
      EXPECT_EQ(picture->barcode->number, last + 1);
      last = picture->barcode->number;
    }
    const auto jpeg = mjpeg.decode(next_jpeg(51));
    ASSERT_TRUE(jpeg && jpeg->barcode) << w << "x" << h;
    EXPECT_EQ(jpeg->barcode->number, last + 1);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    const auto age_us = now_us - static_cast<int64_t>(jpeg->barcode->time_us);
    EXPECT_TRUE(age_us >= 0 && age_us < 10'000'000) << age_us;
    vendor().try_deinit(true);
  }
}

TEST_F(Standin, delivers_i_frames_as_sps_pps_idr_and_p_frames_as_one_pack_and_honours_the_gop) {
  start(640, 480);
  for (const int gop : {1, 7, 100}) {
    mmf_venc_cfg_t config = h264_config(640, 480);
    config.gop = gop;
    ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
    Decoder decoder("h264");
    for (int i = 0; i < 2 * gop + 3; ++i) {
      const auto packs = next_h264();
      if (i % gop == 0) {
        ASSERT_EQ(packs.size(), 3U) << "gop " << gop << " picture " << i;
        EXPECT_EQ(nal_type(packs[0]), 7);
        EXPECT_EQ(nal_type(packs[1]), 8);
        EXPECT_EQ(nal_type(packs[2]), 5);
        EXPECT_EQ(packs[0][5], 66) << "profile_idc: baseline";
      } else {
        ASSERT_EQ(packs.size(), 1U) << "gop " << gop << " picture " << i;
        EXPECT_EQ(nal_type(packs[0]), 1);
      }
      EXPECT_TRUE(decoder.decode(joined(packs)));
    }
    EXPECT_EQ(vendor().del_venc_channel(kH264Channel), kOk);
  }
}

TEST_F(Standin, makes_the_next_pushed_picture_an_idr_on_request_and_counts_the_gop_from_it) {
  start(640, 480);
  mmf_venc_cfg_t config = h264_config(640, 480);
  config.gop = 10;
  ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
  for (int i = 0; i < 5; ++i) next_h264();
  EXPECT_EQ(vendor().request_idr(kH264Channel, 1), kOk);
  for (int i = 0; i < 21; ++i) EXPECT_EQ(next_h264().size(), i % 10 == 0 ? 3U : 1U) << i;
  EXPECT_NE(vendor().request_idr(3, 1), kOk) << "no such channel";
}

TEST_F(Standin, keeps_to_the_bitrate) {
  start(1280, 704);
  for (const int kbits : {500, 2000}) {
    mmf_venc_cfg_t config = h264_config(1280, 704);
    config.bitrate = kbits;
    config.in_fps = config.out_fps = 30;
    ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
    size_t bytes = 0;
    constexpr int kSeconds = 4;
    for (int i = 0; i < 30 * kSeconds; ++i) bytes += joined(next_h264()).size();
    // One second of buffer may be used on top.
    EXPECT_LE(bytes * 8 / 1000, static_cast<size_t>(kbits) * (kSeconds + 1) * 11 / 10);
    std::printf("asked for %d kbit/s, got %zu\n", kbits, bytes * 8 / 1000 / kSeconds);
    vendor().del_venc_channel(kH264Channel);
  }
}

TEST_F(Standin, encodes_one_picture_to_both_codecs_with_jpeg_first) {
  start(640, 480);
  mmf_venc_cfg_t config = h264_config(640, 480);
  ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
  Frame frame;
  ASSERT_EQ(pop_frame(frame), kOk);
  EXPECT_EQ(frame.len, 640 * 480 * 3 / 2);
  uint8_t* jpeg = nullptr;
  int jpeg_bytes = 0;
  ASSERT_EQ(vendor().jpg_push(0, frame.data, 640, 480, kFormatNv21, 80), kOk);
  ASSERT_EQ(vendor().jpg_pop(0, &jpeg, &jpeg_bytes), kOk);
  const auto from_jpeg = Decoder("mjpeg").decode(Bytes(jpeg, jpeg + jpeg_bytes));
  ASSERT_EQ(vendor().jpg_free(0), kOk);
  EXPECT_EQ(jpeg[0], 0xDD) << "freed memory is overwritten";
  vendor().vi_frame_free(0);
  mmf_stream_t stream{};
  ASSERT_EQ(vendor().venc_push(1, frame.data, 640, 480, kFormatNv21), kOk);
  ASSERT_EQ(vendor().venc_pop(1, &stream), kOk);
  Bytes unit;
  for (int i = 0; i < stream.count; ++i) {
    unit.insert(unit.end(), stream.data[i], stream.data[i] + stream.size[i]);
  }
  const auto from_h264 = Decoder("h264").decode(unit);
  ASSERT_EQ(vendor().venc_free(1), kOk);
  ASSERT_TRUE(from_jpeg && from_jpeg->barcode && from_h264 && from_h264->barcode);
  EXPECT_EQ(*from_jpeg->barcode, *from_h264->barcode);
}

TEST_F(Standin, makes_larger_jpegs_with_higher_quality_and_refuses_quality_out_of_range) {
  start(640, 480);
  EXPECT_LT(next_jpeg(51).size(), next_jpeg(75).size());
  EXPECT_LT(next_jpeg(75).size(), next_jpeg(99).size());
  vendor().jpg_deinit(0);
  EXPECT_NE(vendor().jpg_init(0, 640, 480, kFormatNv21, 50), kOk);
  EXPECT_NE(vendor().jpg_init(0, 640, 480, kFormatNv21, 100), kOk);
}

TEST_F(Standin, garbles_widths_that_are_no_multiple_of_64_on_the_copy_path_only) {
  start(1000, 600);
  mmf_venc_cfg_t config = h264_config(1000, 600);
  ASSERT_EQ(vendor().add_venc_channel(kH264Channel, &config), kOk);
  const auto direct = Decoder("h264").decode(joined(next_h264()));
  ASSERT_TRUE(direct);
  EXPECT_TRUE(direct->barcode) << "the VPSS frame itself is sound";
  const auto copied = Decoder("mjpeg").decode(next_jpeg(99));
  ASSERT_TRUE(copied);
  EXPECT_FALSE(copied->barcode);
}

TEST_F(Standin, takes_a_new_size_after_release) {
  start(640, 480);
  EXPECT_TRUE(Decoder("mjpeg").decode(next_jpeg(80)));
  ASSERT_EQ(vendor().add_vi_channel(0, 1280, 720, kFormatNv21), kOk);
  const auto picture = Decoder("mjpeg").decode(next_jpeg(80));
  ASSERT_TRUE(picture && picture->barcode);
  EXPECT_EQ(picture->width, 1280);
  EXPECT_EQ(picture->barcode->number, 2U);
}

TEST_F(Standin, paces_pictures_to_the_frame_rate) {
  setenv("KVM_STANDIN_FPS", "50", 1);
  start(640, 480);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 26; ++i) next_jpeg(60);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took.count(), 0.49);
}

TEST_F(Standin, repeats_the_same_bytes_while_the_picture_stands_still) {
  setenv("KVM_STANDIN_STILL", "1", 1);
  start(640, 480);
  const Bytes first = next_jpeg(80);
  EXPECT_EQ(first, next_jpeg(80));
  EXPECT_EQ(first, next_jpeg(80));
}

}  // namespace
}  // namespace kvm_standin
