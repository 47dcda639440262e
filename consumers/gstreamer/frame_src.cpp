// SPDX-License-Identifier: Apache-2.0
#include "frame_src.h"

#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>

#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "media_caps.h"
#include "source.h"

namespace framering::gstreamer {

// ---- the GObject around it
// -------------------------------------------------------------------------

struct FrameSrc {
  GstPushSrc base;
  SourceSettings* settings;
  std::mutex* mutex;  // guards `source` against an event while the element stops
  std::unique_ptr<Source>* source;
};
struct FrameSrcClass {
  GstPushSrcClass base;
};

enum FrameSrcProperty : guint { kStream = 1, kSocketDir, kEosAtEnd };

G_DEFINE_TYPE(FrameSrc, frame_src, GST_TYPE_PUSH_SRC)

static FrameSrc* self_of(gpointer object) {
  return reinterpret_cast<FrameSrc*>(object);
}

static gboolean frame_src_start(GstBaseSrc* element) {
  FrameSrc* const self = self_of(element);
  try {
    auto source = std::make_unique<Source>(element, *self->settings);
    const std::lock_guard lock(*self->mutex);
    *self->source = std::move(source);
    return TRUE;
  } catch (const std::exception& error) {
    GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS, ("%s", error.what()), (nullptr));
    return FALSE;
  }
}

static gboolean frame_src_stop(GstBaseSrc* element) {
  FrameSrc* const self = self_of(element);
  const std::lock_guard lock(*self->mutex);
  self->source->reset();
  return TRUE;
}

// An element that does not run may be flushed as well.
static void flush(FrameSrc* self, bool flushing) {
  const std::lock_guard lock(*self->mutex);
  if (*self->source != nullptr) (*self->source)->flush(flushing);
}

static gboolean frame_src_unlock(GstBaseSrc* element) {
  flush(self_of(element), true);
  return TRUE;
}

static gboolean frame_src_unlock_stop(GstBaseSrc* element) {
  flush(self_of(element), false);
  return TRUE;
}

// The caps are the frames' own: before the first one there is nothing to agree on.
static gboolean frame_src_negotiate(GstBaseSrc*) {
  return TRUE;
}

static GstFlowReturn frame_src_create(GstPushSrc* element, GstBuffer** buffer) {
  return (*self_of(element)->source)->create(buffer);
}

static gboolean frame_src_event(GstBaseSrc* element, GstEvent* event) {
  FrameSrc* const self = self_of(element);
  if (!gst_video_event_is_force_key_unit(event))
    return GST_BASE_SRC_CLASS(frame_src_parent_class)->event(element, event);
  const std::lock_guard lock(*self->mutex);
  if (*self->source != nullptr) (*self->source)->request_key_frame();
  return TRUE;
}

static void frame_src_set_property(GObject* object, guint id, const GValue* value, GParamSpec*) {
  SourceSettings& settings = *self_of(object)->settings;
  const auto text = [&] {
    const gchar* const given = g_value_get_string(value);
    return std::string(given != nullptr ? given : "");
  };
  if (id == kStream) settings.stream = text();
  if (id == kSocketDir) settings.socket_dir = text();
  if (id == kEosAtEnd) settings.eos_at_end = g_value_get_boolean(value) == TRUE;
}

static void frame_src_get_property(GObject* object, guint id, GValue* value, GParamSpec*) {
  const SourceSettings& settings = *self_of(object)->settings;
  if (id == kStream) g_value_set_string(value, settings.stream.c_str());
  if (id == kSocketDir) g_value_set_string(value, settings.socket_dir.c_str());
  if (id == kEosAtEnd) g_value_set_boolean(value, settings.eos_at_end ? TRUE : FALSE);
}

static void frame_src_finalize(GObject* object) {
  FrameSrc* const self = self_of(object);
  delete self->source;
  delete self->mutex;
  delete self->settings;
  G_OBJECT_CLASS(frame_src_parent_class)->finalize(object);
}

static void frame_src_init(FrameSrc* self) {
  self->settings = new SourceSettings;
  self->mutex = new std::mutex;
  self->source = new std::unique_ptr<Source>;
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static void frame_src_class_init(FrameSrcClass* type) {
  GObjectClass* const object = G_OBJECT_CLASS(type);
  object->set_property = frame_src_set_property;
  object->get_property = frame_src_get_property;
  object->finalize = frame_src_finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                   GST_PARAM_MUTABLE_READY);
  g_object_class_install_property(
      object, kStream,
      g_param_spec_string("stream", "Stream", "Name of the stream, such as hdmi/h264", "", kFlags));
  g_object_class_install_property(
      object, kSocketDir,
      g_param_spec_string("socket-dir", "Socket folder",
                          "Where the broker's sockets are (default: $FRAMERING_DIR, else "
                          "/run/framering)",
                          "", kFlags));
  g_object_class_install_property(
      object, kEosAtEnd,
      g_param_spec_boolean("eos-at-end", "EOS at the end",
                           "End when the producer has ended, instead of waiting for its successor",
                           FALSE, kFlags));

  GstElementClass* const element = GST_ELEMENT_CLASS(type);
  gst_element_class_set_static_metadata(element, "Framering source", "Source/Video",
                                        "Reads one stream of a framering broker", "Framering");
  GstCaps* const caps = gst_caps_from_string(kAllCaps);
  gst_element_class_add_pad_template(
      element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);

  GstBaseSrcClass* const base = GST_BASE_SRC_CLASS(type);
  base->start = frame_src_start;
  base->stop = frame_src_stop;
  base->unlock = frame_src_unlock;
  base->unlock_stop = frame_src_unlock_stop;
  base->event = frame_src_event;
  base->negotiate = frame_src_negotiate;
  GST_PUSH_SRC_CLASS(type)->create = frame_src_create;
}

}  // namespace framering::gstreamer
