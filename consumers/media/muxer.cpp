// SPDX-License-Identifier: Apache-2.0
#include "muxer.h"

extern "C" {
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

#include "wall_clock.h"

namespace framering {
namespace {

constexpr int kIoBytes = 32 << 10;
constexpr std::size_t kMaxParameterSets = 4096;  // bytes
constexpr int kLargestEdge = 16384;              // pixels
// In a container's ticks. MP4 has 32 bits for how long a frame lasts; of what follows a longer pause,
// libavformat would lose all times.
constexpr std::int64_t kLongestPause = INT_MAX / 2;

struct Kind {
  Container container;
  const char* extension;
  const char* format;  // libavformat's name
};
constexpr std::array kKinds = {Kind{Container::mp4, "mp4", "mp4"},
                               Kind{Container::mkv, "mkv", "matroska"},
                               Kind{Container::ts, "ts", "mpegts"}};

const Kind& kind_of(Container container) noexcept {
  return kKinds[static_cast<std::size_t>(container)];
}

[[noreturn]] void fail(const char* what, int error) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  (void)av_strerror(error, text.data(), text.size());
  throw std::runtime_error(std::string(what) + ": " + text.data());
}

AVCodecID codec_id(const MuxerOptions& options) {
  if (options.codec == kCodecH264) return AV_CODEC_ID_H264;
  if (options.codec == kCodecH265) return AV_CODEC_ID_HEVC;
  if (options.codec != kCodecMjpeg) {
    throw std::runtime_error("only H.264, H.265 and MJPEG can be put into a file");
  }
  if (options.container == Container::ts) {
    throw std::runtime_error("MPEG-TS has no MJPEG: use mp4 or mkv");
  }
  return AV_CODEC_ID_MJPEG;
}

class Settings {
 public:
  Settings() = default;
  ~Settings() { av_dict_free(&dictionary_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  void set(const char* key, const std::string& value) {
    av_dict_set(&dictionary_, key, value.c_str(), 0);
  }
  [[nodiscard]] AVDictionary** get() noexcept { return &dictionary_; }

 private:
  AVDictionary* dictionary_ = nullptr;
};

void choose(Settings& settings, Container container) {
  const std::string fragment_bytes = std::to_string(Muxer::kFragmentBytes);
  switch (container) {
    case Container::mp4:
      settings.set("movflags", "empty_moov+default_base_moof+frag_keyframe");
      settings.set("frag_duration", std::to_string(Muxer::kFragment_ms * 1000));  // us
      settings.set("frag_size", fragment_bytes);
      settings.set("use_editlist", "0");
      break;
    case Container::mkv:
      settings.set("live", "1");  // no way back to the beginning of the file
      settings.set("cluster_time_limit", std::to_string(Muxer::kFragment_ms));
      settings.set("cluster_size_limit", fragment_bytes);
      break;
    case Container::ts:
      settings.set("flush_packets", "0");
      break;
  }
}

}  // namespace

const char* to_string(Container container) noexcept {
  return kind_of(container).extension;
}

std::optional<Container> container_named(const std::string& extension) noexcept {
  for (const Kind& kind : kKinds) {
    if (extension == kind.extension) return kind.container;
  }
  return std::nullopt;
}

struct Muxer::Parts {
  Parts() = default;
  ~Parts() {
    av_packet_free(&packet);
    if (context == nullptr) return;
    if (context->pb != nullptr) {
      av_freep(&context->pb->buffer);
      avio_context_free(&context->pb);
    }
    avformat_free_context(context);
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  AVFormatContext* context = nullptr;
  AVPacket* packet = nullptr;
  AVRational stamp{1, 1};        // of the frames that come
  std::int64_t dts = INT64_MIN;  // of the last one, as it was written
  std::int64_t cut = 0;          // out of pauses that were too long, ticks
};

Muxer::Muxer(const MuxerOptions& options) : parts_(std::make_unique<Parts>()) {
  av_log_set_level(AV_LOG_FATAL);  // what matters comes out as an exception
  begin(options);
}

Muxer::~Muxer() = default;

int Muxer::collect(void* self, std::uint8_t* bytes, int size) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes);
  auto& out = static_cast<Muxer*>(self)->out_;
  out.insert(out.end(), begin, begin + size);
  return size;
}

void Muxer::begin(const MuxerOptions& options) {
  if (options.parameter_sets.size() > kMaxParameterSets) {
    throw std::runtime_error("its parameter sets are too large");
  }
  const AVCodecID id = codec_id(options);
  AVFormatContext*& context = parts_->context;
  int error =
      avformat_alloc_output_context2(&context, nullptr, kind_of(options.container).format, nullptr);
  if (error < 0) fail("libavformat", error);
  auto* const buffer = static_cast<std::uint8_t*>(av_malloc(kIoBytes));
  if (buffer == nullptr) throw std::bad_alloc();
  context->pb = avio_alloc_context(buffer, kIoBytes, 1, this, nullptr, &collect, nullptr);
  AVStream* const stream = context->pb != nullptr ? avformat_new_stream(context, nullptr) : nullptr;
  parts_->packet = av_packet_alloc();
  if (stream == nullptr || parts_->packet == nullptr) throw std::bad_alloc();
  context->max_delay = 0;  // MPEG-TS: the first picture is at 0
  AVCodecParameters& codec = *stream->codecpar;
  codec.codec_type = AVMEDIA_TYPE_VIDEO;
  codec.codec_id = id;
  codec.width = static_cast<int>(std::min<std::uint32_t>(options.width, kLargestEdge));
  codec.height = static_cast<int>(std::min<std::uint32_t>(options.height, kLargestEdge));
  if (!options.parameter_sets.empty()) {
    const std::size_t bytes = options.parameter_sets.size();
    codec.extradata = static_cast<std::uint8_t*>(av_mallocz(bytes + AV_INPUT_BUFFER_PADDING_SIZE));
    if (codec.extradata == nullptr) throw std::bad_alloc();
    std::memcpy(codec.extradata, options.parameter_sets.data(), bytes);
    codec.extradata_size = static_cast<int>(bytes);
  }
  parts_->stamp = {1, options.scale};
  stream->time_base = parts_->stamp;
  // MP4 keeps whole seconds of the creation time, and the date as it is; MPEG-TS has neither.
  const std::string began = iso_time(options.began_ms);
  av_dict_set(&context->metadata, "title", options.title.c_str(), 0);
  av_dict_set(&context->metadata, "creation_time", began.c_str(), 0);
  av_dict_set(&context->metadata, "date", began.c_str(), 0);
  av_dict_set(&context->metadata, "service_name", (options.title + " " + began).c_str(), 0);

  Settings settings;
  choose(settings, options.container);
  error = avformat_write_header(context, settings.get());
  if (error < 0) fail("cannot begin the file", error);
  avio_flush(context->pb);
}

void Muxer::write(std::span<const std::byte> frame, Timeline::Stamps stamps, bool key) {
  AVPacket& packet = *parts_->packet;
  AVStream& stream = *parts_->context->streams[0];
  // Not ours: av_write_frame copies what it keeps beyond the call.
  packet.data = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(frame.data()));
  packet.size = static_cast<int>(frame.size());
  packet.stream_index = 0;
  packet.flags = key ? AV_PKT_FLAG_KEY : 0;
  packet.pts = av_rescale_q(stamps.pts, parts_->stamp, stream.time_base);
  packet.dts = av_rescale_q(stamps.dts, parts_->stamp, stream.time_base);
  const std::int64_t ahead = packet.pts - packet.dts;
  packet.dts -= parts_->cut;
  if (parts_->dts != INT64_MIN) {
    // Two stamps may have become one where ticks are coarser, which not all containers take.
    if ((parts_->context->oformat->flags & AVFMT_TS_NONSTRICT) == 0)
      packet.dts = std::max(packet.dts, parts_->dts + 1);
    const std::int64_t excess = packet.dts - parts_->dts - kLongestPause;
    if (excess > 0) {
      packet.dts -= excess;
      parts_->cut += excess;
    }
  }
  packet.pts = packet.dts + ahead;
  parts_->dts = packet.dts;
  const int error = av_write_frame(parts_->context, &packet);
  packet.data = nullptr;
  if (error < 0) fail("cannot add a frame", error);
  avio_flush(parts_->context->pb);
}

void Muxer::flush() {
  const int error = av_write_frame(parts_->context, nullptr);
  if (error < 0) fail("cannot end a fragment", error);
  avio_flush(parts_->context->pb);
  // The MP4 muxer has guessed how long the last frame lasts. Without this it would have the next
  // one begin just there, whatever its stamps say. The others know no such option.
  (void)av_opt_set(parts_->context->priv_data, "movflags", "+frag_discont", 0);
}

void Muxer::finish() {
  const int error = av_write_trailer(parts_->context);
  if (error < 0) fail("cannot end the file", error);
  avio_flush(parts_->context->pb);
}

std::vector<std::byte> Muxer::take() noexcept {
  return std::exchange(out_, {});
}

}  // namespace framering
