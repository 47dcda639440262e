// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include "control/names.h"
#include "exit_codes.h"

#ifdef FRAMERING_HAVE_LIBAV
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#endif

namespace framering::cli {

#ifdef FRAMERING_HAVE_LIBAV

namespace {

constexpr std::int64_t kMaxPixels = 16384 * 16384;  // a damaged size must not eat all memory
constexpr int kJpegScale = 2;                       // 2 (best) to 31, as ffmpeg's -q:v

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Context = std::unique_ptr<AVCodecContext, FreeContext>;
using Image = std::unique_ptr<AVFrame, FreeFrame>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

[[noreturn]] void fail(const std::string& text) {
  throw CommandError(ExitCode::failed, text);
}

// Result of a libav call, or of one of its allocations.
void require(bool done, const char* step) {
  if (!done) fail(std::string("libav cannot ") + step);
}

AVCodecID decoder_of(std::uint32_t codec) {
  if (codec == kCodecH264) return AV_CODEC_ID_H264;
  if (codec == kCodecH265) return AV_CODEC_ID_HEVC;
  if (codec == kCodecMjpeg) return AV_CODEC_ID_MJPEG;
  return AV_CODEC_ID_NONE;
}

Packet packet_of(const Picture& picture) {
  Packet packet(av_packet_alloc());
  const std::size_t head = picture.parameter_sets.size();
  const std::size_t bytes = head + picture.bytes.size();
  require(packet && bytes <= INT32_MAX && av_new_packet(packet.get(), static_cast<int>(bytes)) == 0,
          "hold the frame");
  std::ranges::copy(std::as_bytes(std::span(picture.parameter_sets)),
                    std::as_writable_bytes(std::span(packet->data, bytes)).begin());
  std::ranges::copy(std::as_bytes(std::span(picture.bytes)),
                    std::as_writable_bytes(std::span(packet->data + head, bytes - head)).begin());
  return packet;
}

Image decode(const Picture& picture, AVCodecID id) {
  const AVCodec* codec = avcodec_find_decoder(id);
  if (codec == nullptr) fail("this libavcodec has no decoder for " + codec_name(picture.codec));
  Context context(avcodec_alloc_context3(codec));
  require(context != nullptr, "make a decoder");
  context->max_pixels = kMaxPixels;
  context->thread_count = 1;  // one frame: threads would only delay it
  require(avcodec_open2(context.get(), codec, nullptr) == 0, "open the decoder");

  const Packet packet = packet_of(picture);
  Image image(av_frame_alloc());
  require(image != nullptr, "hold the picture");
  if (avcodec_send_packet(context.get(), packet.get()) != 0 ||
      avcodec_send_packet(context.get(), nullptr) != 0 ||
      avcodec_receive_frame(context.get(), image.get()) != 0) {
    fail("the newest key frame cannot be decoded (" + codec_name(picture.codec) + ", " +
         std::to_string(picture.bytes.size()) + " bytes)");
  }
  return image;
}

// A raw picture: its planes lie where the producer says, if that is within the frame.
Image wrap_raw(Picture& picture) {
  const bool nv12 = picture.codec == kCodecNv12;
  const FrameMeta& meta = picture.meta;
  Image image(av_frame_alloc());
  require(image != nullptr, "hold the picture");
  image->format = nv12 ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P;
  image->width = static_cast<int>(meta.width);
  image->height = static_cast<int>(meta.height);
  image->color_range = meta.full_range != 0 ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  if (av_image_check_size2(meta.width, meta.height, kMaxPixels, AV_PIX_FMT_NONE, 0, nullptr) != 0) {
    fail("the picture has no sensible size");
  }
  const std::uint64_t half_width = (std::uint64_t{meta.width} + 1) / 2;
  const std::uint64_t half_height = (std::uint64_t{meta.height} + 1) / 2;
  for (std::size_t plane = 0; plane < (nv12 ? 2u : 3u); ++plane) {
    const std::uint64_t row_bytes = plane == 0 ? meta.width : (nv12 ? 2 * half_width : half_width);
    const std::uint64_t rows = plane == 0 ? meta.height : half_height;
    const std::uint64_t end =
        meta.plane_offset[plane] + (rows - 1) * std::uint64_t{meta.stride[plane]} + row_bytes;
    if (meta.stride[plane] < row_bytes || meta.stride[plane] > INT32_MAX ||
        end > picture.bytes.size()) {
      fail("the picture's planes do not fit into its bytes");
    }
    image->data[plane] =
        reinterpret_cast<std::uint8_t*>(picture.bytes.data()) + meta.plane_offset[plane];
    image->linesize[plane] = static_cast<int>(meta.stride[plane]);
  }
  return image;
}

// To the pixels that the image format wants, full range.
Image convert(const AVFrame& from, AVPixelFormat to) {
  const auto format = static_cast<AVPixelFormat>(from.format);
  Scaler scaler(sws_getContext(from.width, from.height, format, from.width, from.height, to,
                               SWS_BICUBIC, nullptr, nullptr, nullptr));
  require(scaler != nullptr, "convert the picture's pixels");
  const int matrix =
      from.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : static_cast<int>(from.colorspace);
  const bool full = from.color_range == AVCOL_RANGE_JPEG || format == AV_PIX_FMT_YUVJ420P ||
                    format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P;
  // JPEG (JFIF) is always BT.601, full range.
  sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(matrix), full ? 1 : 0,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  Image image(av_frame_alloc());
  require(image != nullptr, "hold the picture");
  image->format = to;
  image->width = from.width;
  image->height = from.height;
  require(av_frame_get_buffer(image.get(), 0) == 0, "hold the picture");
  require(sws_scale(scaler.get(), from.data, from.linesize, 0, from.height, image->data,
                    image->linesize) == from.height,
          "convert the picture's pixels");
  return image;
}

std::vector<std::byte> encode(const AVFrame& decoded, ImageFormat format) {
  const bool png = format == ImageFormat::png;
  const Image image = convert(decoded, png ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ420P);
  const AVCodec* codec = avcodec_find_encoder(png ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG);
  if (codec == nullptr) fail("this libavcodec cannot write such images");
  Context context(avcodec_alloc_context3(codec));
  require(context != nullptr, "make an encoder");
  context->width = image->width;
  context->height = image->height;
  context->pix_fmt = static_cast<AVPixelFormat>(image->format);
  context->time_base = {1, 1};
  if (!png) {
    context->flags |= AV_CODEC_FLAG_QSCALE;
    context->global_quality = kJpegScale * FF_QP2LAMBDA;
    image->quality = context->global_quality;
  }
  require(avcodec_open2(context.get(), codec, nullptr) == 0, "open the image encoder");

  Packet packet(av_packet_alloc());
  require(packet && avcodec_send_frame(context.get(), image.get()) == 0 &&
              avcodec_send_frame(context.get(), nullptr) == 0 &&
              avcodec_receive_packet(context.get(), packet.get()) == 0,
          "encode the image");
  const auto bytes = std::as_bytes(std::span(packet->data, static_cast<std::size_t>(packet->size)));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<std::byte> encode_image(Picture picture, ImageFormat format) {
  if (picture.codec == kCodecMjpeg && format == ImageFormat::jpeg) return std::move(picture.bytes);
  av_log_set_level(AV_LOG_QUIET);  // its complaints name no stream; ours do

  if (picture.codec == kCodecI420 || picture.codec == kCodecNv12) {
    return encode(*wrap_raw(picture), format);
  }
  const AVCodecID id = decoder_of(picture.codec);
  if (id == AV_CODEC_ID_NONE) {
    throw CommandError(ExitCode::usage,
                       "frames of " + codec_name(picture.codec) + " are no pictures");
  }
  return encode(*decode(picture, id), format);
}

#else

std::vector<std::byte> encode_image(Picture picture, ImageFormat format) {
  if (picture.codec == kCodecMjpeg && format == ImageFormat::jpeg) return std::move(picture.bytes);
  throw CommandError(ExitCode::usage,
                     "this framering was built without libavcodec and libswscale: it can save "
                     "frames of an mjpeg stream as .jpg only, not " +
                         codec_name(picture.codec));
}

#endif

}  // namespace framering::cli
