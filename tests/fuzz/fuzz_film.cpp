// SPDX-License-Identifier: Apache-2.0
//
// A film from anywhere (MP4, Annex B, whatever libavformat takes for one), through the file source
// into a ring. Time does not pass: StopSignal's waits are over at once.
extern "C" {
#include <libavformat/avformat.h>
}
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "fuzz_input.h"
#include "output.h"
#include "sources/file_module.h"

namespace framering {

StopSignal::StopSignal(bool /*with_hangup*/) {}
bool StopSignal::wait_until(std::uint64_t) noexcept {
  return true;
}

}  // namespace framering

extern "C" framering::Source* framering_make_file_source(const framering::Options&,
                                                         framering::StopSignal&);

using namespace framering;
using namespace framering::fuzz;

namespace {

constexpr int kMaxPictures = 64;

// 320 x 240, as x264 writes them.
const Seed kParameterSets{0,    0,    0,    1,    0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9,
                          0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
                          0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0x99, 0x60, 0,
                          0,    0,    1,    0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0};

// Slices of no picture; nobody decodes here. 0x65: IDR, 0x41: refers to others.
Seed picture(bool key) {
  Seed bytes = key ? kParameterSets : Seed{};
  bytes.insert(bytes.end(), {0, 0, 0, 1, static_cast<std::uint8_t>(key ? 0x65 : 0x41), 0x88, 0x84});
  for (std::uint8_t i = 1; i < 40; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 7 | 1));
  return bytes;
}

// Four pictures in a container.
Seed film(const char* format, const char* flags) {
  AVFormatContext* context = nullptr;
  demand(avformat_alloc_output_context2(&context, nullptr, format, nullptr) >= 0, "a muxer");
  AVStream* stream = avformat_new_stream(context, nullptr);
  demand(stream != nullptr && avio_open_dyn_buf(&context->pb) >= 0, "a film in memory");
  stream->time_base = {1, 30};
  AVCodecParameters& codec = *stream->codecpar;
  codec.codec_type = AVMEDIA_TYPE_VIDEO;
  codec.codec_id = AV_CODEC_ID_H264;
  codec.width = 320;
  codec.height = 240;
  codec.extradata_size = static_cast<int>(kParameterSets.size());
  codec.extradata =
      static_cast<std::uint8_t*>(av_mallocz(kParameterSets.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  std::memcpy(codec.extradata, kParameterSets.data(), kParameterSets.size());
  AVDictionary* options = nullptr;
  if (flags != nullptr) av_dict_set(&options, "movflags", flags, 0);
  demand(avformat_write_header(context, &options) >= 0, "a header");
  av_dict_free(&options);
  for (int i = 0; i < 4; ++i) {
    Seed bytes = picture(i == 0);
    AVPacket* packet = av_packet_alloc();
    packet->data = bytes.data();
    packet->size = static_cast<int>(bytes.size());
    packet->pts = packet->dts = av_rescale_q(i, {1, 30}, stream->time_base);
    packet->duration = av_rescale_q(1, {1, 30}, stream->time_base);
    packet->flags = i == 0 ? AV_PKT_FLAG_KEY : 0;
    demand(av_write_frame(context, packet) >= 0, "a picture");
    av_packet_free(&packet);
  }
  demand(av_write_trailer(context) >= 0, "an end");
  std::uint8_t* memory = nullptr;
  const int size = avio_close_dyn_buf(context->pb, &memory);
  Seed bytes(memory, memory + size);
  av_free(memory);
  context->pb = nullptr;
  avformat_free_context(context);
  return bytes;
}

void play(const std::string& path, bool loop) {
  Options options;
  options.stream = "film";
  options.input = path;
  options.loop = loop;
  StopSignal stop;
  const std::unique_ptr<Source> source(framering_make_file_source(options, stop));
  WriterOptions stream = source->streams().at(0);
  stream.socket_dir = "/nonexistent";
  stream.history_bytes = 65536;
  stream.slot_count = 8;
  std::array<Output, 1> outputs{Output(stream)};
  for (int i = 0; i < kMaxPictures; ++i) {
    if (source->step(outputs) == Source::Step::ended) return;
  }
}

}  // namespace

// The first byte: whether the film is played in a loop.
std::vector<Seed> framering::fuzz::seeds() {
  std::vector<Seed> films{film("mp4", nullptr), film("mp4", "frag_keyframe+empty_moov"),
                          film("matroska", nullptr)};
  Seed annex_b = picture(true);
  const Seed next = picture(false);
  for (int i = 0; i < 3; ++i) annex_b.insert(annex_b.end(), next.begin(), next.end());
  films.push_back(annex_b);
  for (std::size_t i = 0; i < films.size(); ++i) {
    films[i].insert(films[i].begin(), static_cast<std::uint8_t>(i % 2));
  }
  return films;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Fd file(::memfd_create("fuzz-film", MFD_CLOEXEC));
  demand(::write(file.get(), data + 1, size - 1) == static_cast<ssize_t>(size - 1), "a file");
  try {
    play("/proc/self/fd/" + std::to_string(file.get()), (data[0] & 1) != 0);
  } catch (const std::exception& refused) {
    demand(refused.what()[0] != '\0', "a refusal says what is wrong");
  }
  return 0;
}
