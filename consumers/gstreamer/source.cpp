// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <gst/video/video.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>

#include "media_caps.h"
#include "ring/clock.h"

namespace framering::gstreamer {

GstFlowReturn Source::create(GstBuffer** buffer) {
  for (;;) {
    Frame frame;
    const ReadResult result = reader_.lease_next(frame, std::chrono::nanoseconds(0));
    if (result == ReadResult::frame) {
      GstBuffer* const copy = copy_of(frame);
      const bool whole = reader_.lease_valid(frame);
      reader_.release(frame);
      if (!whole || (gap_ && !frame.key())) {
        if (!whole) reader_.request_key_frame();
        gap_ = true;
        gst_buffer_unref(copy);
        continue;
      }
      if (!follow_caps(frame)) {
        gst_buffer_unref(copy);
        return GST_FLOW_NOT_NEGOTIATED;
      }
      if (gap_ || frame.lost_before > 0) GST_BUFFER_FLAG_SET(copy, GST_BUFFER_FLAG_DISCONT);
      gap_ = false;
      *buffer = copy;
      return GST_FLOW_OK;
    }
    if (result == ReadResult::refused) {
      GST_ELEMENT_ERROR(element_, RESOURCE, OPEN_READ, ("%s", reader_.refusal().c_str()),
                        (nullptr));
      return GST_FLOW_ERROR;
    }
    if (result == ReadResult::ended && eos_at_end_) return GST_FLOW_EOS;
    if (result != ReadResult::timeout) continue;
    if (gst_poll_wait(poll_, GST_CLOCK_TIME_NONE) < 0 && errno == EBUSY) return GST_FLOW_FLUSHING;
  }
}

std::uint32_t Source::codec_of(const Frame& frame) const noexcept {
  return frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
}

// What leaves for other threads cannot be called back, so it is a copy, trusted once the lease is
// found to have held.
GstBuffer* Source::copy_of(const Frame& frame) {
  std::vector<std::byte> parameters;
  if (frame.key() && frame.meta.parameter_set != 0 && (frame.meta.flags & kFrameHasParameters) == 0)
    parameters = reader_.parameter_set(frame.meta.parameter_set);
  const std::size_t bytes = parameters.size() + frame.bytes.size();
  GstBuffer* const buffer = gst_buffer_new_allocate(nullptr, bytes, nullptr);
  gst_buffer_fill(buffer, 0, parameters.data(), parameters.size());
  gst_buffer_fill(buffer, parameters.size(), frame.bytes.data(), frame.bytes.size());
  if (!frame.key()) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if ((frame.meta.flags & kFrameDroppable) != 0)
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DROPPABLE);
  GST_BUFFER_OFFSET(buffer) = frame.number;
  describe_planes(buffer, frame);
  stamp(buffer, frame);
  return buffer;
}

// Where the rows of a raw picture lie, unless that is where GStreamer looks anyway. The numbers are
// the producer's: rows have to be as long as the picture is wide, and inside the frame.
void Source::describe_planes(GstBuffer* buffer, const Frame& frame) const {
  const GstVideoFormat format = raw_format(codec_of(frame));
  GstVideoInfo info;
  if (format == GST_VIDEO_FORMAT_UNKNOWN ||
      !gst_video_info_set_format(&info, format, frame.meta.width, frame.meta.height))
    return;
  gsize offset[GST_VIDEO_MAX_PLANES] = {};
  gint stride[GST_VIDEO_MAX_PLANES] = {};
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&info); ++plane) {
    const std::uint64_t rows = GST_VIDEO_SUB_SCALE(info.finfo->h_sub[plane], frame.meta.height);
    // In both formats, component n is the first one of plane n.
    const auto least = static_cast<std::uint64_t>(GST_VIDEO_INFO_COMP_WIDTH(&info, plane)) *
                       static_cast<std::uint64_t>(GST_VIDEO_INFO_COMP_PSTRIDE(&info, plane));
    offset[plane] = frame.meta.plane_offset[plane];
    stride[plane] = static_cast<gint>(frame.meta.stride[plane]);
    if (frame.meta.stride[plane] > G_MAXINT32 / 2 || frame.meta.stride[plane] < least ||
        offset[plane] + rows * frame.meta.stride[plane] > frame.bytes.size())
      return;
  }
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, format, frame.meta.width,
                                 frame.meta.height, GST_VIDEO_INFO_N_PLANES(&info), offset, stride);
}

void Source::stamp(GstBuffer* buffer, const Frame& frame) {
  GstClock* const clock = gst_element_get_clock(GST_ELEMENT(element_));
  if (clock == nullptr) return;
  const GstClockTime running =
      gst_clock_get_time(clock) - gst_element_get_base_time(GST_ELEMENT(element_));
  gst_object_unref(clock);
  const std::uint64_t captured =
      frame.meta.captured_ns != 0 ? frame.meta.captured_ns : frame.published_ns;
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t age = now > captured ? now - captured : 0;
  GstClockTime dts = running > age ? running - age : 0;
  if (last_dts_ != GST_CLOCK_TIME_NONE) dts = std::max(dts, last_dts_ + 1);
  last_dts_ = dts;
  GST_BUFFER_DTS(buffer) = dts;
  // Pictures that are decoded before they are shown (B-frames) keep that distance.
  const std::int64_t ahead = frame.meta.pts - frame.meta.dts;
  const std::uint32_t den = reader_.time_base_den();
  const bool reordered = ahead > 0 && den != 0 && ahead < std::int64_t{den} * 60;
  GST_BUFFER_PTS(buffer) =
      reordered ? dts + gst_util_uint64_scale(static_cast<std::uint64_t>(ahead),
                                              GST_SECOND * reader_.time_base_num(), den)
                : dts;
}

bool Source::follow_caps(const Frame& frame) {
  GstCaps* const caps = caps_of(codec_of(frame), frame.meta);
  if (caps == nullptr) {
    GST_ELEMENT_ERROR(element_, STREAM, WRONG_TYPE,
                      ("The stream's codec has no name in GStreamer (a test pattern?)"), (nullptr));
    return false;
  }
  if (caps_ != nullptr && gst_caps_is_equal(caps, caps_)) {
    gst_caps_unref(caps);
    return true;
  }
  gst_caps_take(&caps_, caps);
  return gst_base_src_set_caps(element_, caps_) == TRUE;
}

}  // namespace framering::gstreamer
