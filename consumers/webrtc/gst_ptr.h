// SPDX-License-Identifier: Apache-2.0
//
// Owners of what GStreamer counts references of.
#pragma once

#include <gst/gst.h>

#include <memory>

namespace framering::webrtc {

struct GstDeleter {
  void operator()(GstElement* element) const noexcept { gst_object_unref(element); }
  void operator()(GstPad* pad) const noexcept { gst_object_unref(pad); }
  void operator()(GObject* object) const noexcept { g_object_unref(object); }
  void operator()(GstCaps* caps) const noexcept { gst_caps_unref(caps); }
  void operator()(GstBufferList* list) const noexcept { gst_buffer_list_unref(list); }
  void operator()(gchar* text) const noexcept { g_free(text); }
};

template <class T>
using GstPtr = std::unique_ptr<T, GstDeleter>;

}  // namespace framering::webrtc
