// SPDX-License-Identifier: Apache-2.0
#include "fragmenter.h"

extern "C" {
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
}

#include <algorithm>
#include <cstring>
#include <new>

#include "annex_b.h"

namespace framering::websocket {

namespace {

constexpr int kIoBytes = 32 << 10;
constexpr std::size_t kMaxParameterSets = 4096;

std::uint32_t read_u32(const std::byte* at) noexcept {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(at[i]);
  return value;
}

// The content of the first box of that name; empty: none, or it does not fit.
std::span<std::byte> find_box(std::span<std::byte> boxes, const char* name) noexcept {
  while (boxes.size() >= 8) {
    const std::size_t size = read_u32(boxes.data());
    if (size < 8 || size > boxes.size()) return {};
    if (std::memcmp(boxes.data() + 4, name, 4) == 0) return boxes.subspan(8, size - 8);
    boxes = boxes.subspan(size);
  }
  return {};
}

}  // namespace

std::uint64_t MediaClock::tick(std::uint64_t timestamp_us) noexcept {
  if (last_us_ != 0) {
    const std::uint64_t passed = std::max(timestamp_us, last_us_ + 1) - last_us_;
    media_us_ += std::min(passed, 2 * duration_us_);
    // Up at once, down slowly: frames that come unevenly are no pauses.
    duration_us_ = std::clamp(std::max(passed, duration_us_ - duration_us_ / 32), kMinDuration_us,
                              kMaxDuration_us);
  }
  last_us_ = std::max(timestamp_us, last_us_ + 1);
  return media_us_;
}

// libavformat's muxer of one initialisation segment; writes into `out`.
class Fragmenter::Muxer {
 public:
  Muxer() = default;
  ~Muxer() { close(); }
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  [[nodiscard]] bool open(const EncodedFrame& frame, std::span<const std::byte> parameter_sets);
  [[nodiscard]] bool write(const EncodedFrame& frame, std::uint64_t duration_us);

  std::vector<std::byte> out;

 private:
  static int take(void* self, std::uint8_t* bytes, int size) {
    const auto* const begin = reinterpret_cast<const std::byte*>(bytes);
    auto& out = static_cast<Muxer*>(self)->out;
    out.insert(out.end(), begin, begin + size);
    return size;
  }
  void close() noexcept;

  AVFormatContext* context_ = nullptr;
  AVPacket* packet_ = nullptr;
  std::int64_t next_dts_ = 0;
};

bool Fragmenter::Muxer::open(const EncodedFrame& frame, std::span<const std::byte> sets) {
  if (avformat_alloc_output_context2(&context_, nullptr, "mp4", nullptr) < 0) return false;
  auto* const buffer = static_cast<std::uint8_t*>(av_malloc(kIoBytes));
  if (buffer == nullptr) return false;
  context_->pb = avio_alloc_context(buffer, kIoBytes, 1, this, nullptr, &take, nullptr);
  AVStream* const stream =
      context_->pb != nullptr ? avformat_new_stream(context_, nullptr) : nullptr;
  packet_ = av_packet_alloc();
  if (stream == nullptr || packet_ == nullptr) return false;
  AVCodecParameters& codec = *stream->codecpar;
  codec.codec_type = AVMEDIA_TYPE_VIDEO;
  // No H.265: libavformat 59 counts for minutes what an SPS of it may claim (fuzz_websocket).
  codec.codec_id = AV_CODEC_ID_H264;
  codec.width = static_cast<int>(std::min(frame.width, 16384U));
  codec.height = static_cast<int>(std::min(frame.height, 16384U));
  codec.extradata =
      static_cast<std::uint8_t*>(av_mallocz(sets.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (codec.extradata == nullptr) return false;
  std::memcpy(codec.extradata, sets.data(), sets.size());
  codec.extradata_size = static_cast<int>(sets.size());
  stream->time_base = {1, 1'000'000};

  // frag_custom: a fragment ends when we say so, which is at once; frag_every_frame would hold each
  // frame back until the next one comes.
  AVDictionary* options = nullptr;
  av_dict_set(&options, "movflags", "empty_moov+default_base_moof+frag_custom+skip_trailer", 0);
  av_dict_set(&options, "video_track_timescale", "1000000", 0);
  av_dict_set(&options, "use_editlist", "0", 0);
  const int result = avformat_write_header(context_, &options);
  av_dict_free(&options);
  avio_flush(context_->pb);
  return result >= 0 && !out.empty();
}

bool Fragmenter::Muxer::write(const EncodedFrame& frame, std::uint64_t duration_us) {
  out.clear();
  // Not ours: av_write_frame copies what it keeps beyond the call.
  packet_->data =
      const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(frame.bytes.data()));
  packet_->size = static_cast<int>(frame.bytes.size());
  packet_->stream_index = 0;
  packet_->flags = frame.key ? AV_PKT_FLAG_KEY : 0;
  packet_->pts = packet_->dts = next_dts_;
  packet_->duration = static_cast<std::int64_t>(duration_us);
  next_dts_ += packet_->duration;
  if (av_write_frame(context_, packet_) < 0 || av_write_frame(context_, nullptr) < 0) return false;
  avio_flush(context_->pb);
  return !out.empty();
}

void Fragmenter::Muxer::close() noexcept {
  av_packet_free(&packet_);
  if (context_ == nullptr) return;
  if (context_->pb != nullptr) {
    av_freep(&context_->pb->buffer);
    avio_context_free(&context_->pb);
  }
  avformat_free_context(context_);
}

// libavformat would say on stderr what it dislikes, frame by frame.
Fragmenter::Fragmenter() {
  av_log_set_level(AV_LOG_QUIET);
}
Fragmenter::~Fragmenter() = default;

SharedFrame Fragmenter::fragment(const EncodedFrame& frame) {
  const std::uint64_t media_time = clock_.tick(frame.timestamp_us);
  if (frame.key && !follow_parameter_sets(frame)) muxer_.reset();
  if (muxer_ == nullptr || frame.bytes.empty()) return nullptr;
  if (!muxer_->write(frame, clock_.duration_us()) || !set_decode_time(muxer_->out, media_time)) {
    muxer_.reset();
    return nullptr;
  }
  auto fragment = std::make_shared<EncodedFrame>();
  fragment->generation = frame.generation;
  fragment->number = frame.number;
  fragment->timestamp_us = frame.timestamp_us;
  fragment->media_time_us = media_time;
  fragment->encoded_ns = frame.encoded_ns;
  fragment->published_ns = frame.published_ns;
  fragment->read_ns = frame.read_ns;
  fragment->codec = frame.codec;
  fragment->width = frame.width;
  fragment->height = frame.height;
  fragment->key = frame.key;
  fragment->init = init_;
  fragment->bytes.assign(muxer_->out.begin(), muxer_->out.end());
  return fragment;
}

// A muxer for this key frame's parameter sets: the one there is, if they are the same.
bool Fragmenter::follow_parameter_sets(const EncodedFrame& frame) {
  std::vector<std::byte> sets = parameter_sets_of(frame.bytes);
  if (sets.empty() || sets.size() > kMaxParameterSets) return false;
  if (muxer_ != nullptr && sets == parameter_sets_ && init_->width == frame.width &&
      init_->height == frame.height)
    return true;
  auto muxer = std::make_unique<Muxer>();
  auto init = std::make_shared<InitSegment>();
  init->codec = codec_string(sets);
  init->width = frame.width;
  init->height = frame.height;
  if (init->codec.empty() || !muxer->open(frame, sets)) return false;
  init->bytes = muxer->out;
  // Of the same content: who has the former need not be sent this one.
  if (init_ == nullptr || init_->bytes != init->bytes) init_ = std::move(init);
  parameter_sets_ = std::move(sets);
  muxer_ = std::move(muxer);
  return true;
}

bool set_decode_time(std::span<std::byte> fragment, std::uint64_t time) noexcept {
  const auto box = find_box(find_box(find_box(fragment, "moof"), "traf"), "tfdt");
  if (box.size() != 12 || box[0] != std::byte{1}) return false;  // version 1: 64 bits
  for (std::size_t i = 0; i < 8; ++i) box[4 + i] = static_cast<std::byte>(time >> (56 - 8 * i));
  return true;
}

}  // namespace framering::websocket
