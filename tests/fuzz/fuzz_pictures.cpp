// SPDX-License-Identifier: Apache-2.0
//
// What an encoder, a file or a pipe hands to the producer: Annex B and JPEG, in pieces of any size.
#include <cstring>

#include "fuzz_input.h"
#include "sources/picture_splitter.h"
#include "sources/sps.h"

using namespace framering;
using namespace framering::fuzz;

namespace {

constexpr std::size_t kMaxPicture = 512;

void split(PipeFormat format, std::size_t piece, std::span<const std::byte> bytes) {
  PictureSplitter splitter(format, kMaxPicture);
  std::size_t come_out = 0;
  const auto take_pictures = [&] {
    std::span<const std::byte> picture;
    for (;;) {
      const PictureSplitter::Found found = splitter.next(picture);
      if (found == PictureSplitter::Found::nothing) return;
      if (found == PictureSplitter::Found::too_large) continue;
      demand(!picture.empty(), "a picture has bytes");
      touch(picture);
      come_out += picture.size();
    }
  };
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::span<std::byte> window = splitter.window();
    demand(!window.empty(), "there is room for the next bytes");
    const std::size_t count = std::min({piece, window.size(), bytes.size() - at});
    std::memcpy(window.data(), bytes.data() + at, count);
    splitter.wrote(count);
    at += count;
    take_pictures();
  }
  splitter.end_of_input();
  take_pictures();
  demand(come_out + splitter.garbage_bytes() <= bytes.size(), "no byte comes out twice");
}

void inspect(NalCodec codec, std::span<const std::byte> bytes) {
  ParameterSets sets;
  const PictureFacts facts = inspect_access_unit(codec, bytes, sets);
  demand(sets.size <= sets.bytes.size(), "parameter sets fit their buffer");
  demand(facts.valid || !facts.key, "a key frame has a slice");
  NalUnit unit;
  for (std::size_t from = 0; find_nal(codec, bytes, from, unit); from = unit.header) {
    demand(unit.start >= from && unit.header < bytes.size() && unit.header > unit.start,
           "a NAL unit lies inside the buffer and further on");
  }
}

}  // namespace

// The first two bytes: format, and size of the pieces. A key frame with its parameter sets and one
// that refers to it, in H.264 and H.265; a JPEG without its middle.
std::vector<Seed> framering::fuzz::seeds() {
  return {
      {0,    6,    0,    0,    0,    1,    0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41,
       0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1,
       0x42, 0x99, 0x60, 0,    0,    0,    1,    0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0,
       0,    1,    0x65, 0x88, 0x84, 0x11, 0,    0,    1,    0x41, 0x9a, 0x22},
      {1, 200, 0,    0, 0,    1, 0x40, 1, 0x0c, 0, 0,    0,    1, 0x42, 1, 1,    1, 0x60, 0,   0,
       0, 1,   0x44, 1, 0xc1, 0, 0,    1, 0x26, 1, 0xaf, 0x11, 0, 0,    1, 0x02, 1, 0xd0, 0x22},
      {2, 13,   0xFF, 0xD8, 0xFF, 0xC0, 0,    11,   8,    0,    16,  0, 16,
       1, 1,    0x11, 0,    0xFF, 0xDA, 0,    8,    1,    1,    0,   0, 63,
       0, 0x12, 0xFF, 0,    0x34, 0xFF, 0xD9, 0xFF, 0xD8, 0xFF, 0xD9},
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto format = static_cast<PipeFormat>(input.take<std::uint8_t>() % 3);
  const std::size_t piece = std::size_t{1} + input.take<std::uint8_t>();
  const std::span<const std::byte> bytes = input.take_bytes(size);
  split(format, piece, bytes);
  if (format == PipeFormat::mjpeg) {
    static_cast<void>(jpeg_size(bytes));
    demand(find_jpeg(bytes, 0) <= bytes.size(), "a JPEG begins inside the buffer");
  } else {
    inspect(format == PipeFormat::h264 ? NalCodec::h264 : NalCodec::h265, bytes);
    static_cast<void>(parse_h264_sps(bytes));
    static_cast<void>(parse_h265_sps(bytes));
  }
  return 0;
}
