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
