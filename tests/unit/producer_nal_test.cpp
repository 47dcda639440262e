// SPDX-License-Identifier: Apache-2.0
//
// Bitstreams cut into pictures: H.264, H.265 and JPEG, in pieces, damaged and endless.
#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <random>
#include <vector>

#include "sources/jpeg_scanner.h"
#include "sources/nal.h"
#include "sources/picture_splitter.h"
#include "sources/sps.h"

namespace framering {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Sequence parameter sets as x264 and x265 write them: 320x240, and 1920x1080, which is cropped.
const Bytes kSps320 =
    bytes_of({0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00,
              0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60});

const Bytes kCode4 = bytes_of({0, 0, 0, 1});
const Bytes kCode3 = bytes_of({0, 0, 1});
const Bytes kSps = kCode4 + kSps320;
const Bytes kPps = kCode4 + bytes_of({0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0});
const Bytes kAud = kCode4 + bytes_of({0x09, 0xf0});
const Bytes kSei = kCode3 + bytes_of({0x06, 0x05, 0x01, 0x77, 0x80});
const Bytes kIdr = kCode3 + bytes_of({0x65, 0x88, 0x84, 0x00, 0x33});        // first_mb_in_slice 0
const Bytes kIdrSecond = kCode3 + bytes_of({0x65, 0x48, 0x84, 0x00, 0x33});  // first_mb > 0
const Bytes kP = kCode4 + bytes_of({0x41, 0x9a, 0x24, 0x6c});
const Bytes kPSecond = kCode3 + bytes_of({0x41, 0x4a, 0x24, 0x6c});
const Bytes kB = kCode4 + bytes_of({0x01, 0x9e, 0x41, 0x79});  // nal_ref_idc 0

// Feeds `stream` in pieces of `piece` bytes and returns what comes out.
std::vector<Bytes> split(PipeFormat format, const Bytes& stream, std::size_t piece,
                         std::size_t limit = 1u << 20, int* too_large = nullptr) {
  PictureSplitter splitter(format, limit);
  std::vector<Bytes> pictures;
  const auto drain = [&] {
    std::span<const std::byte> picture;
    for (;;) {
      const auto found = splitter.next(picture);
      if (found == PictureSplitter::Found::nothing) return;
      if (found == PictureSplitter::Found::picture) {
        pictures.emplace_back(picture.begin(), picture.end());
      } else if (too_large != nullptr) {
        ++*too_large;
      }
    }
  };
  for (std::size_t at = 0; at < stream.size();) {
    const std::span<std::byte> window = splitter.window();
    const std::size_t count = std::min({piece, window.size(), stream.size() - at});
    std::memcpy(window.data(), stream.data() + at, count);
    splitter.wrote(count);
    at += count;
    drain();
  }
  splitter.end_of_input();
  drain();
  return pictures;
}

TEST(ProducerNal, H264IsCutWhereAccessUnitsBegin) {
  const std::vector<Bytes> expected = {kSps + kPps + kSei + kIdr + kIdrSecond,
                                       kP + kPSecond,
                                       kB,
                                       kSei + kP,
                                       kAud + kP,
                                       kSps + kPps + kIdr};
  Bytes stream;
  for (const Bytes& picture : expected) stream = stream + picture;
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{4096}}) {
    EXPECT_EQ(split(PipeFormat::h264, stream, piece), expected) << "pieces of " << piece;
  }
}

TEST(ProducerNal, H265IsCutWhereAccessUnitsBegin) {
  const Bytes vps = kCode4 + bytes_of({0x40, 0x01, 0x0c});
  const Bytes sps = kCode4 + bytes_of({0x42, 0x01, 0x01});
  const Bytes pps = kCode4 + bytes_of({0x44, 0x01, 0xc1});
  const Bytes sei = kCode3 + bytes_of({0x4e, 0x01, 0x05});
  const Bytes suffix_sei = kCode3 + bytes_of({0x50, 0x01, 0x84});
  const Bytes idr = kCode3 + bytes_of({0x26, 0x01, 0xaf, 0x11});
  const Bytes second = kCode3 + bytes_of({0x26, 0x01, 0x2f, 0x11});
  const Bytes trail = kCode4 + bytes_of({0x02, 0x01, 0xd0, 0x10});
  const std::vector<Bytes> expected = {vps + sps + pps + sei + idr + second + suffix_sei, trail,
                                       sei + trail, vps + sps + pps + idr};
  Bytes stream;
  for (const Bytes& picture : expected) stream = stream + picture;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{4096}}) {
    EXPECT_EQ(split(PipeFormat::h265, stream, piece), expected) << "pieces of " << piece;
  }
}

TEST(ProducerNal, EmulationPreventionIsNoStartCode) {
  const Bytes slice = kCode4 + bytes_of({0x41, 0x9a, 0x00, 0x00, 0x03, 0x01, 0x65, 0x88, 0x00});
  const std::vector<Bytes> expected = {kIdr, slice, kP};
  EXPECT_EQ(split(PipeFormat::h264, kIdr + slice + kP, 3), expected);
}

TEST(ProducerNal, GarbageBeforeTheFirstPictureIsPassedBy) {
  Bytes garbage(5000, std::byte{0xAB});
  PictureSplitter splitter(PipeFormat::h264, 1u << 16);
  const Bytes stream = garbage + kIdr + kP;
  std::memcpy(splitter.window().data(), stream.data(), stream.size());
  splitter.wrote(stream.size());
  std::span<const std::byte> picture;
  ASSERT_EQ(splitter.next(picture), PictureSplitter::Found::picture);
  EXPECT_EQ(Bytes(picture.begin(), picture.end()), kIdr);
  EXPECT_EQ(splitter.garbage_bytes(), garbage.size());
}

TEST(ProducerNal, APictureOverTheLimitIsSkippedAndTheNextOneIsWhole) {
  const Bytes huge = kP + Bytes(300'000, std::byte{0x55});
  int too_large = 0;
  const auto pictures = split(PipeFormat::h264, kIdr + huge + kP + kB, 4096, 1u << 16, &too_large);
  EXPECT_EQ(too_large, 1);
  EXPECT_EQ(pictures, (std::vector<Bytes>{kIdr, kP, kB}));
}

TEST(ProducerNal, AnyBytesAtAllAreSurvived) {
  std::mt19937 random(2026);
  for (int round = 0; round < 200; ++round) {
    Bytes noise(1 + random() % 3000);
    // Few values, so that start codes and markers do come up.
    for (std::byte& b : noise) {
      constexpr unsigned kValues[] = {0, 0, 0, 1, 3, 0x65, 0x67, 0xFF, 0xD8, 0xDA, 0xD9, 0x41};
      b = static_cast<std::byte>(kValues[random() % std::size(kValues)]);
    }
    for (const PipeFormat format : {PipeFormat::h264, PipeFormat::h265, PipeFormat::mjpeg}) {
      std::size_t total = 0;
      for (const Bytes& picture : split(format, noise, 1 + random() % 64, 500)) {
        EXPECT_FALSE(picture.empty());
        total += picture.size();
        ParameterSets sets;
        (void)inspect_access_unit(NalCodec::h264, picture, sets);
        (void)inspect_access_unit(NalCodec::h265, picture, sets);
        (void)jpeg_size(picture);
      }
      EXPECT_LE(total, noise.size());
    }
  }
}

TEST(ProducerNal, APictureTellsWhatItIs) {
  ParameterSets sets;
  const PictureFacts idr = inspect_access_unit(NalCodec::h264, kSps + kPps + kSei + kIdr, sets);
  EXPECT_TRUE(idr.valid);
  EXPECT_TRUE(idr.key);
  EXPECT_FALSE(idr.droppable);
  EXPECT_EQ(idr.width, 320u);
  EXPECT_EQ(idr.height, 240u);
  EXPECT_TRUE(sets.has_sps);
  const Bytes found(sets.span().begin(), sets.span().end());
  EXPECT_EQ(found, kSps + kPps);

  ParameterSets none;
  EXPECT_FALSE(inspect_access_unit(NalCodec::h264, kP, none).key);
  EXPECT_TRUE(inspect_access_unit(NalCodec::h264, kB, none).droppable);
  EXPECT_FALSE(inspect_access_unit(NalCodec::h264, kSps + kPps, none).valid);
  EXPECT_FALSE(inspect_access_unit(NalCodec::h264, Bytes(100), none).valid);
  EXPECT_FALSE(inspect_access_unit(NalCodec::h264, {}, none).valid);
}

TEST(ProducerNal, ParameterSetsThatDoNotFitAreLeftOut) {
  ParameterSets sets;
  const Bytes huge = kCode4 + bytes_of({0x67}) + Bytes(3000, std::byte{0x11});
  (void)inspect_access_unit(NalCodec::h264, huge + kIdr, sets);
  EXPECT_TRUE(sets.overflow);
  EXPECT_EQ(sets.size, 0u);
}

TEST(ProducerNal, AnSpsTellsTheSizeAfterCropping) {
  const Bytes h264 =
      bytes_of({0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00,
                0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58});
  const SpsSize full_hd = parse_h264_sps(h264);
  EXPECT_EQ(full_hd.width, 1920u);
  EXPECT_EQ(full_hd.height, 1080u);
  const Bytes h265 = bytes_of({0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90,
                               0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x78, 0xa0, 0x03,
                               0xc0, 0x80, 0x10, 0xe5, 0x96, 0x56, 0x69, 0x24, 0xca});
  const SpsSize hevc = parse_h265_sps(h265);
  EXPECT_EQ(hevc.width, 1920u);
  EXPECT_EQ(hevc.height, 1080u);
}

TEST(ProducerNal, ATruncatedSpsHasNoSize) {
  for (std::size_t length = 0; length < 8; ++length) {
    const SpsSize size = parse_h264_sps(std::span(kSps320).first(length));
    EXPECT_EQ(size.width, 0u) << length << " bytes";
    (void)parse_h265_sps(std::span(kSps320).first(length));
  }
}

Bytes jpeg(std::size_t scan_bytes) {
  const Bytes thumbnail = bytes_of({0xFF, 0xD8, 0xFF, 0xD9});  // inside a segment: not the end
  Bytes app = bytes_of({0xFF, 0xE1, 0x00, static_cast<unsigned>(2 + thumbnail.size())}) + thumbnail;
  const Bytes sof = bytes_of({0xFF, 0xC0, 0x00, 0x0B, 8, 0x00, 0xF0, 0x01, 0x40, 1, 1, 0x11, 0});
  const Bytes sos = bytes_of({0xFF, 0xDA, 0x00, 0x08, 1, 1, 0, 0, 0x3F, 0});
  const Bytes scan = Bytes(scan_bytes, std::byte{0x5A}) +
                     bytes_of({0xFF, 0x00, 0x12, 0xFF, 0xD3, 0x34});  // stuffing, RST3
  return bytes_of({0xFF, 0xD8}) + app + sof + sos + scan + bytes_of({0xFF, 0xD9});
}

TEST(ProducerJpeg, PicturesAreCutByTheirSegments) {
  const std::vector<Bytes> expected = {jpeg(10), jpeg(0), jpeg(3000)};
  const Bytes stream = bytes_of({1, 2, 3}) + jpeg(10) + jpeg(0) + bytes_of({0, 0}) + jpeg(3000);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{4096}}) {
    EXPECT_EQ(split(PipeFormat::mjpeg, stream, piece), expected) << "pieces of " << piece;
  }
  const JpegSize size = jpeg_size(jpeg(10));
  EXPECT_EQ(size.width, 320u);
  EXPECT_EQ(size.height, 240u);
}

TEST(ProducerJpeg, APictureWithoutItsEndIsNotPublished) {
  Bytes cut = jpeg(100);
  cut.pop_back();
  cut.pop_back();
  EXPECT_EQ(split(PipeFormat::mjpeg, jpeg(5) + cut, 7), std::vector<Bytes>{jpeg(5)});
}

TEST(ProducerJpeg, APictureOverTheLimitIsSkippedAndTheNextOneIsWhole) {
  int too_large = 0;
  const auto pictures =
      split(PipeFormat::mjpeg, jpeg(5) + jpeg(300'000) + jpeg(6), 4096, 1u << 16, &too_large);
  EXPECT_EQ(too_large, 1);
  EXPECT_EQ(pictures, (std::vector<Bytes>{jpeg(5), jpeg(6)}));
}

}  // namespace
}  // namespace framering
