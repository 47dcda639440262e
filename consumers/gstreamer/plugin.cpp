// SPDX-License-Identifier: Apache-2.0
#include <gst/gst.h>

#include "frame_sink.h"
#include "frame_src.h"

static gboolean register_elements(GstPlugin* plugin) {
  using namespace framering::gstreamer;
  return gst_element_register(plugin, "framesrc", GST_RANK_NONE, frame_src_get_type()) &&
         gst_element_register(plugin, "framesink", GST_RANK_NONE, frame_sink_get_type());
}

#define PACKAGE "framering"  // GST_PLUGIN_DEFINE wants it by this name
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, framering,
                  "Video frames of a framering broker", register_elements, FRAMERING_VERSION,
                  "Apache 2.0", "framering", "https://github.com/framering")
