// SPDX-License-Identifier: Apache-2.0
//
// `framesink`: makes any GStreamer pipeline a producer of one stream.
//
//   gst-launch-1.0 v4l2src ! videoconvert ! x264enc tune=zerolatency ! h264parse config-interval=-1
//     ! video/x-h264,stream-format=byte-stream,alignment=au ! framesink stream=camera/h264
//
// What the project's own producer does to a picture happens here as well (producer/output.h): its
// parameter sets are kept and put before key frames, key-frame requests of all readers are merged
// (at most two a second) and sent upstream, a picture that does not fit is counted and skipped.
#pragma once

#include <glib-object.h>

namespace framering::gstreamer {

[[nodiscard]] GType frame_sink_get_type();

}  // namespace framering::gstreamer
