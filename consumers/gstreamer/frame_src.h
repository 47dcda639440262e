// SPDX-License-Identifier: Apache-2.0
//
// `framesrc`: a live source of one stream's frames, as they are in the ring.
//
//   gst-launch-1.0 framesrc stream=hdmi/h264 ! h264parse ! avdec_h264 ! autovideosink
//
// Begins at the newest key frame, which comes with its parameter sets. A frame's time stamp is when
// it was captured; what lies in the history from before the pipeline ran gets the pipeline's first
// moment, as it is late already. Force-key-unit events from downstream become key-frame requests,
// which the producer merges with everybody else's.
#pragma once

#include <glib-object.h>

namespace framering::gstreamer {

[[nodiscard]] GType frame_src_get_type();

}  // namespace framering::gstreamer
