// SPDX-License-Identifier: Apache-2.0
//
// What GStreamer calls caps, and what the ring says of a stream.
#pragma once

#include <gst/video/video.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "ring_layout.h"

namespace framering::gstreamer {

// The media types of both elements. Compressed pictures come whole, one to a buffer.
inline constexpr char kAllCaps[] =
    "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au; "
    "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au; "
    "image/jpeg; "
    "video/x-raw, format=(string){ I420, NV12 }";

// Of a frame; null: GStreamer has no name for this codec (the pattern source's). The caller owns
// it.
[[nodiscard]] GstCaps* caps_of(std::uint32_t codec, const FrameMeta& meta);
[[nodiscard]] GstVideoFormat raw_format(std::uint32_t codec) noexcept;  // UNKNOWN: compressed

struct Media {
  std::uint32_t codec = 0;              // kCodec...
  std::uint32_t width = 0, height = 0;  // pixels; 0 = the caps do not say
  std::optional<GstVideoInfo> raw;      // of raw pictures
  [[nodiscard]] bool inter_coded() const noexcept {
    return codec == kCodecH264 || codec == kCodecH265;
  }
};

// Nothing: not one of kAllCaps.
[[nodiscard]] std::optional<Media> media_of(const GstCaps* caps);

}  // namespace framering::gstreamer
