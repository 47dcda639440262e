// SPDX-License-Identifier: Apache-2.0
#include "sink_stream.h"

#include <gst/video/video.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ring/clock.h"

namespace framering::gstreamer {

namespace {

constexpr std::uint64_t kCompressedHistory_bytes = 4u << 20;
constexpr std::uint64_t kRawPictures = 8;     // of history
constexpr int kHeartbeat_ms = 500;            // readers expect one a second
constexpr std::uint32_t kSizeUnknown = 4096;  // pixels: caps that name no size

}  // namespace

WriterOptions SinkStream::writer_options(const SinkSettings& settings, const Media& media) {
  WriterOptions options;
  options.stream = settings.stream;
  options.socket_dir = settings.socket_dir;
  options.program = "framesink";
  options.codec = media.codec;
  options.inter_coded = media.inter_coded();
  options.time_base_den = GST_SECOND;
  options.max_width = media.width != 0 ? media.width : kSizeUnknown;
  options.max_height = media.height != 0 ? media.height : kSizeUnknown;
  options.history_bytes = kCompressedHistory_bytes;
  if (media.raw) {
    options.max_frame_bytes = GST_VIDEO_INFO_SIZE(&*media.raw);
    options.history_bytes = kRawPictures * options.max_frame_bytes;
    options.slot_count = 16;
  }
  if (settings.history_bytes != 0) options.history_bytes = settings.history_bytes;
  return options;
}

bool SinkStream::follow(const Media& media) {
  const std::lock_guard lock(mutex_);
  // The ring was made for pictures of one size, if they are raw; compressed ones fit or do not.
  if (media.codec != media_.codec) return false;
  if (media.raw && !gst_video_info_is_equal(&*media.raw, &*media_.raw)) return false;
  media_ = media;
  output_.mark_discontinuity();
  return true;
}

// The buffer's running time, as the clock that all of the ring's times are of.
FrameMeta SinkStream::meta_of(GstBuffer* buffer) const {
  FrameMeta meta;
  meta.codec = media_.codec;
  meta.width = media_.width;
  meta.height = media_.height;
  meta.encoded_ns = meta.captured_ns = monotonic_ns();
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (!GST_CLOCK_TIME_IS_VALID(pts)) return meta;
  meta.pts = meta.dts = static_cast<std::int64_t>(pts);
  if (GST_BUFFER_DTS_IS_VALID(buffer)) meta.dts = static_cast<std::int64_t>(GST_BUFFER_DTS(buffer));
  GstClock* const clock = gst_element_get_clock(GST_ELEMENT(element_));
  if (clock == nullptr) return meta;
  const GstClockTime now =
      gst_clock_get_time(clock) - gst_element_get_base_time(GST_ELEMENT(element_));
  gst_object_unref(clock);
  const GstClockTime captured =
      gst_segment_to_running_time(&element_->segment, GST_FORMAT_TIME, pts);
  if (GST_CLOCK_TIME_IS_VALID(captured) && now > captured)
    meta.captured_ns -= std::min(now - captured, meta.captured_ns);
  return meta;
}

bool SinkStream::publish(GstBuffer* buffer) {
  const std::lock_guard lock(mutex_);
  FrameMeta meta = meta_of(buffer);
  output_.set_state(SourceState::live);
  if (media_.raw) {
    publish_raw(buffer, meta);
    return true;
  }
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return false;
  const Output::Bytes bytes = std::as_bytes(std::span(map.data, map.size));
  if (media_.inter_coded()) meta.width = meta.height = 0;  // its SPS knows better
  const Output::Published published = output_.publish({&bytes, 1}, meta);
  gst_buffer_unmap(buffer, &map);
  if (published == Output::Published::no_picture)
    GST_INFO_OBJECT(element_, "a buffer without a picture");
  return true;
}

// Row by row into the ring, packed as the caps say: what lies between rows elsewhere is not sent.
void SinkStream::publish_raw(GstBuffer* buffer, FrameMeta meta) {
  GstVideoInfo packed = *media_.raw;
  const std::span<std::byte> into = output_.reserve(GST_VIDEO_INFO_SIZE(&packed));
  GstVideoFrame from;
  if (into.empty() || !gst_video_frame_map(&from, &*media_.raw, buffer, GST_MAP_READ)) return;
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES(&packed); ++plane) {
    const auto stride = static_cast<std::size_t>(GST_VIDEO_INFO_PLANE_STRIDE(&packed, plane));
    const std::size_t offset = GST_VIDEO_INFO_PLANE_OFFSET(&packed, plane);
    const auto its_stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&from, plane));
    const auto* row = static_cast<const std::byte*>(GST_VIDEO_FRAME_PLANE_DATA(&from, plane));
    const int rows =
        GST_VIDEO_SUB_SCALE(packed.finfo->h_sub[plane], GST_VIDEO_INFO_HEIGHT(&packed));
    for (int y = 0; y < rows; ++y, row += its_stride)
      std::memcpy(into.data() + offset + static_cast<std::size_t>(y) * stride, row,
                  std::min(stride, its_stride));
    meta.stride[plane] = static_cast<std::uint32_t>(stride);
    meta.plane_offset[plane] = static_cast<std::uint32_t>(offset);
  }
  gst_video_frame_unmap(&from);
  meta.flags |= kFrameKey;
  output_.commit(into.size(), meta);
}

void SinkStream::listen() {
  std::array<pollfd, 2> events{pollfd{output_.nudge_fd(), POLLIN, 0},
                               pollfd{stop_.get(), POLLIN, 0}};
  for (;;) {
    static_cast<void>(::poll(events.data(), events.size(), kHeartbeat_ms));
    if (events[1].revents != 0) return;
    hear_readers();
  }
}

void SinkStream::hear_readers() {
  bool key_wanted = false;
  std::string refusal;
  {
    const std::lock_guard lock(mutex_);
    output_.take_nudge();
    output_.look_at_demand(monotonic_ns());
    key_wanted = output_.take_key_request(monotonic_ns());
    output_.heartbeat();
    if (!warned_ && !output_.announced()) refusal = output_.refusal();
    warned_ = warned_ || !refusal.empty();
    if (key_wanted) output_.count_key_request_granted();
  }
  if (!refusal.empty())
    GST_ELEMENT_WARNING(element_, RESOURCE, BUSY, ("%s", refusal.c_str()), (nullptr));
  // Upstream may call back into this element, so no lock is held.
  if (key_wanted)
    gst_pad_push_event(GST_BASE_SINK_PAD(element_),
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

}  // namespace framering::gstreamer
