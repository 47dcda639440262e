// SPDX-License-Identifier: Apache-2.0
#include "h264_encoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/buffer.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <cassert>
#include <stdexcept>
#include <string>

namespace kvm_standin {
namespace {

constexpr std::array<uint8_t, 4> kStartCode{0, 0, 0, 1};
constexpr int kNalSlice = 1;
constexpr int kNalIdr = 5;
constexpr int kNalSps = 7;
constexpr int kNalPps = 8;
constexpr uint8_t kNalFiller = 12;
constexpr int kVbvSeconds = 1;

// First byte of the next start code (three-byte form), or end.
const uint8_t* find_start_code(const uint8_t* from, const uint8_t* end) {
  constexpr std::array<uint8_t, 3> kShort{0, 0, 1};
  return std::search(from, end, kShort.begin(), kShort.end());
}

// Takes parameter sets and slices; x264's SEI has no counterpart on the hardware and is dropped.
void split_into_packs(const uint8_t* data, size_t bytes, AccessUnit& unit) {
  const uint8_t* const end = data + bytes;
  const uint8_t* start = find_start_code(data, end);
  while (start != end) {
    const uint8_t* nal = start + 3;
    const uint8_t* const next = find_start_code(nal, end);
    const uint8_t* nal_end = next;
    while (nal_end > nal && nal_end[-1] == 0) --nal_end;  // the next start code's leading zero
    const int type = nal < nal_end ? *nal & 0x1F : 0;
    if (type == kNalSlice || type == kNalIdr || type == kNalSps || type == kNalPps) {
      unit.append_nal(nal, static_cast<size_t>(nal_end - nal));
    }
    start = next;
  }
}

}  // namespace

void AccessUnit::clear() {
  bytes_.clear();
  sizes_.clear();
}

void AccessUnit::append_nal(const uint8_t* nal, size_t bytes) {
  bytes_.insert(bytes_.end(), kStartCode.begin(), kStartCode.end());
  bytes_.insert(bytes_.end(), nal, nal + bytes);
  sizes_.push_back(kStartCode.size() + bytes);
}

void AccessUnit::pad_to(size_t total_bytes) {
  constexpr size_t kOverhead = kStartCode.size() + 2;  // NAL header and the stop bit
  if (empty() || total_bytes < bytes_.size() + kOverhead) return;
  const size_t added = total_bytes - bytes_.size();
  bytes_.insert(bytes_.end(), kStartCode.begin(), kStartCode.end());
  bytes_.push_back(kNalFiller);
  bytes_.insert(bytes_.end(), added - kOverhead, 0xFF);
  bytes_.push_back(0x80);
  sizes_.back() += added;
}

void AccessUnit::poison() {
  std::fill(bytes_.begin(), bytes_.end(), uint8_t{0xDD});
}

mmf_stream_t AccessUnit::stream() {
  mmf_stream_t stream{};
  uint8_t* pack = bytes_.data();
  assert(sizes_.size() <= std::size(stream.data));
  for (const size_t size : sizes_) {
    stream.data[stream.count] = pack;
    stream.size[stream.count] = static_cast<int>(size);
    ++stream.count;
    pack += size;
  }
  return stream;
}

H264Encoder::H264Encoder(const mmf_venc_cfg_t& config)
    : frame_(av_frame_alloc()), packet_(av_packet_alloc()) {
  const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
  if (codec == nullptr) throw std::runtime_error("libavcodec has no libx264");
  codec_ = avcodec_alloc_context3(codec);
  codec_->width = config.w;
  codec_->height = config.h;
  codec_->pix_fmt = AV_PIX_FMT_NV21;
  codec_->color_range = AVCOL_RANGE_MPEG;
  codec_->colorspace = AVCOL_SPC_SMPTE170M;
  codec_->time_base = {1, config.out_fps};
  codec_->framerate = {config.out_fps, 1};
  codec_->gop_size = config.gop;
  codec_->max_b_frames = 0;
  codec_->bit_rate = static_cast<int64_t>(config.bitrate) * 1000;
  codec_->rc_max_rate = codec_->bit_rate;
  codec_->rc_buffer_size = config.bitrate * 1000 * kVbvSeconds;
  codec_->thread_count = 1;
  codec_->log_level_offset = 16;  // of x264's messages, the errors only
  av_opt_set(codec_->priv_data, "preset", "ultrafast", 0);
  av_opt_set(codec_->priv_data, "tune", "zerolatency", 0);
  av_opt_set(codec_->priv_data, "profile", "baseline", 0);
  av_opt_set(codec_->priv_data, "forced-idr", "1", 0);
  // Key frames only where the GOP or a request wants one, never at a scene cut.
  av_opt_set(codec_->priv_data, "x264-params",
             "slices=1:sliced-threads=0:scenecut=0:repeat-headers=1", 0);
  const int error = avcodec_open2(codec_, codec, nullptr);
  if (error < 0) {
    avcodec_free_context(&codec_);
    av_frame_free(&frame_);
    av_packet_free(&packet_);
    throw std::runtime_error("libx264: error " + std::to_string(error));
  }
}

H264Encoder::~H264Encoder() {
  avcodec_free_context(&codec_);
  av_frame_free(&frame_);
  av_packet_free(&packet_);
}

bool H264Encoder::encode(const Nv21Picture& picture, AccessUnit& unit) {
  unit.clear();
  // Lent, not copied: with one thread and no look-ahead the encoder is done when it returns.
  frame_->buf[0] = av_buffer_create(
      picture.data, picture.bytes(), [](void*, uint8_t*) {}, nullptr, 0);
  frame_->data[0] = picture.luma(0);
  frame_->data[1] = picture.chroma(0);
  frame_->linesize[0] = picture.stride;
  frame_->linesize[1] = picture.stride;
  frame_->width = picture.width;
  frame_->height = picture.height;
  frame_->format = AV_PIX_FMT_NV21;
  frame_->pts = pts_++;
  frame_->pict_type = idr_wanted_ ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  idr_wanted_ = false;
  const bool sent = avcodec_send_frame(codec_, frame_) == 0;
  av_frame_unref(frame_);
  if (!sent || avcodec_receive_packet(codec_, packet_) != 0) return false;
  split_into_packs(packet_->data, static_cast<size_t>(packet_->size), unit);
  av_packet_unref(packet_);
  return !unit.empty();
}

}  // namespace kvm_standin
