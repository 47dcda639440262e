// SPDX-License-Identifier: Apache-2.0
#include "frame_sink.h"

#include <gst/base/gstbasesink.h>
#include <gst/video/video.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "sink_stream.h"

namespace framering::gstreamer {

// ---- the GObject around it
// -------------------------------------------------------------------------

struct FrameSink {
  GstBaseSink base;
  SinkSettings* settings;
  std::unique_ptr<SinkStream>* stream;  // streaming thread
};
struct FrameSinkClass {
  GstBaseSinkClass base;
};

enum FrameSinkProperty : guint { kStream = 1, kSocketDir, kHistory };

G_DEFINE_TYPE(FrameSink, frame_sink, GST_TYPE_BASE_SINK)

static FrameSink* self_of(gpointer object) {
  return reinterpret_cast<FrameSink*>(object);
}

static gboolean frame_sink_set_caps(GstBaseSink* element, GstCaps* caps) {
  FrameSink* const self = self_of(element);
  const std::optional<Media> media = media_of(caps);
  if (!media) return FALSE;
  try {
    std::unique_ptr<SinkStream>& stream = *self->stream;
    if (stream != nullptr && stream->follow(*media)) return TRUE;
    stream.reset();  // its name has to be free
    stream = std::make_unique<SinkStream>(element, *self->settings, *media);
    return TRUE;
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(element, RESOURCE, OPEN_WRITE, ("%s", error.what()), (nullptr));
    return FALSE;
  }
}

static GstFlowReturn frame_sink_render(GstBaseSink* element, GstBuffer* buffer) {
  const std::unique_ptr<SinkStream>& stream = *self_of(element)->stream;
  if (stream == nullptr) return GST_FLOW_NOT_NEGOTIATED;
  return stream->publish(buffer) ? GST_FLOW_OK : GST_FLOW_ERROR;
}

static gboolean frame_sink_stop(GstBaseSink* element) {
  self_of(element)->stream->reset();
  return TRUE;
}

// Whoever offers raw pictures may lay out their rows as it likes.
static gboolean frame_sink_propose_allocation(GstBaseSink*, GstQuery* query) {
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return TRUE;
}

static void frame_sink_set_property(GObject* object, guint id, const GValue* value, GParamSpec*) {
  SinkSettings& settings = *self_of(object)->settings;
  const auto text = [&] {
    const gchar* const given = g_value_get_string(value);
    return std::string(given != nullptr ? given : "");
  };
  if (id == kStream) settings.stream = text();
  if (id == kSocketDir) settings.socket_dir = text();
  if (id == kHistory) settings.history_bytes = g_value_get_uint64(value);
}

static void frame_sink_get_property(GObject* object, guint id, GValue* value, GParamSpec*) {
  const SinkSettings& settings = *self_of(object)->settings;
  if (id == kStream) g_value_set_string(value, settings.stream.c_str());
  if (id == kSocketDir) g_value_set_string(value, settings.socket_dir.c_str());
  if (id == kHistory) g_value_set_uint64(value, settings.history_bytes);
}

static void frame_sink_finalize(GObject* object) {
  FrameSink* const self = self_of(object);
  delete self->stream;
  delete self->settings;
  G_OBJECT_CLASS(frame_sink_parent_class)->finalize(object);
}

static void frame_sink_init(FrameSink* self) {
  self->settings = new SinkSettings;
  self->stream = new std::unique_ptr<SinkStream>;
  gst_base_sink_set_sync(GST_BASE_SINK(self), FALSE);  // readers want pictures now
}

static void frame_sink_class_init(FrameSinkClass* type) {
  GObjectClass* const object = G_OBJECT_CLASS(type);
  object->set_property = frame_sink_set_property;
  object->get_property = frame_sink_get_property;
  object->finalize = frame_sink_finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                   GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object, kStream,
      g_param_spec_string("stream", "Stream", "Name of the stream, such as camera/h264", "",
                          kFlags));
  g_object_class_install_property(
      object, kSocketDir,
      g_param_spec_string("socket-dir", "Socket folder",
                          "Where the broker's sockets are (default: $FRAMERING_DIR, else "
                          "/run/framering)",
                          "", kFlags));
  g_object_class_install_property(
      object, kHistory,
      g_param_spec_uint64("history", "History",
                          "Bytes of frames to keep; 0: 4 MiB, of raw pictures 8 of them", 0,
                          G_MAXUINT64, 0, kFlags));

  GstElementClass* const element = GST_ELEMENT_CLASS(type);
  gst_element_class_set_static_metadata(element, "Framering sink", "Sink/Video",
                                        "Produces one stream for a framering broker", "Framering");
  GstCaps* const caps = gst_caps_from_string(kAllCaps);
  gst_element_class_add_pad_template(
      element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);

  GstBaseSinkClass* const base = GST_BASE_SINK_CLASS(type);
  base->set_caps = frame_sink_set_caps;
  base->render = frame_sink_render;
  base->stop = frame_sink_stop;
  base->propose_allocation = frame_sink_propose_allocation;
}

}  // namespace framering::gstreamer
