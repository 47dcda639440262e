// SPDX-License-Identifier: Apache-2.0
#include "media_caps.h"

namespace framering::gstreamer {

namespace {

GstCaps* annex_b_caps(const char* name) {
  return gst_caps_new_simple(name, "stream-format", G_TYPE_STRING, "byte-stream", "alignment",
                             G_TYPE_STRING, "au", nullptr);
}

// ITU-T H.273 code points, which both sides use. Left out when the producer did not say.
void set_colours(GstCaps* caps, const FrameMeta& meta) {
  if (meta.matrix == 0) return;
  const GstVideoColorimetry colours{
      meta.full_range != 0 ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235,
      gst_video_color_matrix_from_iso(meta.matrix),
      gst_video_transfer_function_from_iso(meta.transfer),
      gst_video_color_primaries_from_iso(meta.colour_primaries)};
  gchar* text = gst_video_colorimetry_to_string(&colours);
  if (text != nullptr) gst_caps_set_simple(caps, "colorimetry", G_TYPE_STRING, text, nullptr);
  g_free(text);
}

}  // namespace

GstVideoFormat raw_format(std::uint32_t codec) noexcept {
  if (codec == kCodecI420) return GST_VIDEO_FORMAT_I420;
  if (codec == kCodecNv12) return GST_VIDEO_FORMAT_NV12;
  return GST_VIDEO_FORMAT_UNKNOWN;
}

GstCaps* caps_of(std::uint32_t codec, const FrameMeta& meta) {
  GstCaps* caps = nullptr;
  if (codec == kCodecH264) caps = annex_b_caps("video/x-h264");
  if (codec == kCodecH265) caps = annex_b_caps("video/x-h265");
  if (codec == kCodecMjpeg) caps = gst_caps_new_empty_simple("image/jpeg");
  if (const GstVideoFormat format = raw_format(codec); format != GST_VIDEO_FORMAT_UNKNOWN) {
    // A rate of 0/1 is GStreamer's word for "each picture has its own time".
    caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING,
                               gst_video_format_to_string(format), "framerate", GST_TYPE_FRACTION,
                               0, 1, nullptr);
    set_colours(caps, meta);
  }
  if (caps != nullptr && meta.width != 0 && meta.height != 0)
    gst_caps_set_simple(caps, "width", G_TYPE_INT, static_cast<int>(meta.width), "height",
                        G_TYPE_INT, static_cast<int>(meta.height), nullptr);
  return caps;
}

std::optional<Media> media_of(const GstCaps* caps) {
  const GstStructure* const structure = gst_caps_get_structure(caps, 0);
  Media media;
  int width = 0;
  int height = 0;
  if (gst_structure_get_int(structure, "width", &width) && width > 0)
    media.width = static_cast<std::uint32_t>(width);
  if (gst_structure_get_int(structure, "height", &height) && height > 0)
    media.height = static_cast<std::uint32_t>(height);
  const std::string_view name = gst_structure_get_name(structure);
  if (name == "video/x-h264") media.codec = kCodecH264;
  if (name == "video/x-h265") media.codec = kCodecH265;
  if (name == "image/jpeg") media.codec = kCodecMjpeg;
  if (name == "video/x-raw") {
    GstVideoInfo info;
    if (!gst_video_info_from_caps(&info, caps)) return std::nullopt;
    if (GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_I420) media.codec = kCodecI420;
    if (GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_NV12) media.codec = kCodecNv12;
    media.raw = info;
  }
  if (media.codec == 0) return std::nullopt;
  return media;
}

}  // namespace framering::gstreamer
