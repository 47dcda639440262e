// SPDX-License-Identifier: Apache-2.0
#include "jpeg_encoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <stdexcept>
#include <string>

namespace kvm_standin {
namespace {

constexpr int kBestScale = 2;    // the encoder's quantiser scale at quality 99
constexpr int kWorstScale = 14;  // and at quality 51

int scale_of(int quality) {
  const int steps = kMaxJpegQuality - std::clamp(quality, kMinJpegQuality, kMaxJpegQuality);
  return kBestScale + steps * (kWorstScale - kBestScale) / (kMaxJpegQuality - kMinJpegQuality);
}

// JPEG is full range (JFIF 1.02), the picture narrow range: stretch 16..235 and 16..240 to 0..255.
struct RangeTables {
  std::array<uint8_t, 256> luma;
  std::array<uint8_t, 256> chroma;
};

constexpr RangeTables make_range_tables() {
  RangeTables tables{};
  for (int i = 0; i < 256; ++i) {
    const auto index = static_cast<size_t>(i);
    tables.luma[index] = static_cast<uint8_t>(std::clamp((i - 16) * 255 / 219, 0, 255));
    tables.chroma[index] = static_cast<uint8_t>(std::clamp(128 + (i - 128) * 255 / 224, 0, 255));
  }
  return tables;
}

constexpr RangeTables kFullRange = make_range_tables();

}  // namespace

JpegEncoder::JpegEncoder(int width, int height)
    : width_(width), height_(height), frame_(av_frame_alloc()), packet_(av_packet_alloc()) {
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
  if (codec == nullptr) throw std::runtime_error("libavcodec has no MJPEG encoder");
  codec_ = avcodec_alloc_context3(codec);
  codec_->width = width;
  codec_->height = height;
  codec_->pix_fmt = AV_PIX_FMT_YUVJ420P;
  codec_->color_range = AVCOL_RANGE_JPEG;
  codec_->time_base = {1, 30};
  codec_->flags |= AV_CODEC_FLAG_QSCALE;
  codec_->thread_count = 1;
  av_opt_set(codec_->priv_data, "huffman", "default", 0);  // one pass over the picture, not two
  int error = avcodec_open2(codec_, codec, nullptr);
  frame_->width = width;
  frame_->height = height;
  frame_->format = codec_->pix_fmt;
  if (error == 0) error = av_frame_get_buffer(frame_, 0);
  if (error < 0) {
    avcodec_free_context(&codec_);
    av_frame_free(&frame_);
    av_packet_free(&packet_);
    throw std::runtime_error("MJPEG: error " + std::to_string(error));
  }
}

JpegEncoder::~JpegEncoder() {
  avcodec_free_context(&codec_);
  av_frame_free(&frame_);
  av_packet_free(&packet_);
}

void JpegEncoder::convert(const Nv21Picture& picture) {
  for (int row = 0; row < height_; ++row) {
    const uint8_t* from = picture.luma(row);
    uint8_t* to = frame_->data[0] + static_cast<ptrdiff_t>(row) * frame_->linesize[0];
    for (int x = 0; x < width_; ++x) to[x] = kFullRange.luma[from[x]];
  }
  for (int row = 0; row < height_ / 2; ++row) {
    const uint8_t* from = picture.chroma(row);
    uint8_t* u = frame_->data[1] + static_cast<ptrdiff_t>(row) * frame_->linesize[1];
    uint8_t* v = frame_->data[2] + static_cast<ptrdiff_t>(row) * frame_->linesize[2];
    for (int x = 0; x < width_ / 2; ++x) {
      v[x] = kFullRange.chroma[from[2 * x]];
      u[x] = kFullRange.chroma[from[2 * x + 1]];
    }
  }
}

bool JpegEncoder::encode(const Nv21Picture& picture, int quality, std::vector<uint8_t>& jpeg) {
  if (av_frame_make_writable(frame_) < 0) return false;
  convert(picture);
  frame_->quality = scale_of(quality) * FF_QP2LAMBDA;
  if (avcodec_send_frame(codec_, frame_) != 0) return false;
  if (avcodec_receive_packet(codec_, packet_) != 0) return false;
  jpeg.assign(packet_->data, packet_->data + packet_->size);
  av_packet_unref(packet_);
  return true;
}

}  // namespace kvm_standin
