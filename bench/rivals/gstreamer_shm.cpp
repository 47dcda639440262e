// SPDX-License-Identifier: Apache-2.0
//
// GStreamer's shmsink and shmsrc. Both ends are used without a hop to another thread: what is
// published goes to shmsink's pad as any element upstream would push it, and is looked at in
// appsink's callback, in shmsrc's own thread.
#include "rival.h"

#ifdef HAVE_GSTREAMER
#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <stdexcept>

#include "ring/clock.h"
#endif

namespace framering::bench {
#ifdef HAVE_GSTREAMER
namespace {

constexpr std::size_t kDefaultBytes = std::size_t{64} << 20;
// With some 280 buffers on their way, shmsink waits in send() with its lock held, and shmsrc in
// send() for that lock's holder to take what it gave back: for ever. So there is room for fewer.
constexpr std::size_t kMostFrames = 128;

GstElement* make_element(const char* kind) {
  GstElement* const element = gst_element_factory_make(kind, nullptr);
  if (element == nullptr) {
    throw std::runtime_error(std::string("GStreamer has no ") + kind +
                             ": apt-get install gstreamer1.0-plugins-bad");
  }
  return element;
}

class ShmSender : public Sender {
 public:
  ShmSender(const std::string& socket, std::size_t bytes) {
    gst_init(nullptr, nullptr);
    sink_ = make_element("shmsink");
    g_object_set(sink_, "socket-path", socket.c_str(), "sync", FALSE, "async", FALSE,
                 "wait-for-connection", FALSE, "enable-last-sample", FALSE, "shm-size",
                 static_cast<guint>(std::min(kDefaultBytes, kMostFrames * bytes)), nullptr);
    source_ = gst_pad_new("src", GST_PAD_SRC);
    GstPad* const pad = gst_element_get_static_pad(sink_, "sink");
    gst_pad_set_active(source_, TRUE);
    gst_pad_link(source_, pad);
    gst_object_unref(pad);
    if (gst_element_set_state(sink_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
      throw std::runtime_error("shmsink does not start on " + socket);
    }
    gst_pad_push_event(source_, gst_event_new_stream_start("bench"));
    GstCaps* const caps = gst_caps_new_empty_simple("application/x-bench");
    gst_pad_push_event(source_, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(source_, gst_event_new_segment(&segment));
  }
  ~ShmSender() override {
    gst_element_set_state(sink_, GST_STATE_NULL);
    gst_object_unref(source_);
    gst_object_unref(sink_);
  }
  ShmSender(const ShmSender&) = delete;
  ShmSender& operator=(const ShmSender&) = delete;

  void publish(std::span<const std::byte> frame) override {
    // shmsink copies it before it returns.
    gst_pad_push(source_, gst_buffer_new_wrapped_full(
                              GST_MEMORY_FLAG_READONLY, const_cast<std::byte*>(frame.data()),
                              frame.size(), 0, frame.size(), nullptr, nullptr));
  }

 private:
  GstElement* sink_ = nullptr;
  GstPad* source_ = nullptr;
};

class ShmReceiver : public Receiver {
 public:
  ShmReceiver(const std::string& socket, std::size_t bytes) : buffer_(bytes) {
    gst_init(nullptr, nullptr);
    pipeline_ = gst_pipeline_new(nullptr);
    GstElement* const source = make_element("shmsrc");
    GstElement* const sink = make_element("appsink");
    g_object_set(source, "socket-path", socket.c_str(), "is-live", TRUE, nullptr);
    g_object_set(sink, "sync", FALSE, "async", FALSE, "enable-last-sample", FALSE, nullptr);
    gst_bin_add_many(GST_BIN(pipeline_), source, sink, nullptr);
    gst_element_link(source, sink);
    GstAppSinkCallbacks callbacks{};
    callbacks.new_sample = [](GstAppSink* from, gpointer self) {
      return static_cast<ShmReceiver*>(self)->on_sample(from);
    };
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, this, nullptr);
    if (gst_element_set_state(pipeline_, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
      throw std::runtime_error("shmsrc does not start on " + socket);
    }
  }
  ~ShmReceiver() override {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(pipeline_);
  }
  ShmReceiver(const ShmReceiver&) = delete;
  ShmReceiver& operator=(const ShmReceiver&) = delete;

  Taken take(std::chrono::milliseconds patience) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, patience, [&] { return at_ns_ != 0; })) return {};
    return {{buffer_.data(), size_}, at_ns_};
  }
  bool give_back() override {
    {
      const std::lock_guard lock(mutex_);
      at_ns_ = 0;
    }
    changed_.notify_all();
    return true;
  }

 private:
  GstFlowReturn on_sample(GstAppSink* from) {
    std::unique_lock lock(mutex_);
    // The checks of the frame before this one, which would stand in this callback otherwise.
    changed_.wait(lock, [&] { return at_ns_ == 0 || ends_; });
    GstSample* const sample = gst_app_sink_pull_sample(from);
    if (sample == nullptr || ends_) return GST_FLOW_EOS;
    at_worst_moment();
    size_ = gst_buffer_extract(gst_sample_get_buffer(sample), 0, buffer_.data(), buffer_.size());
    at_ns_ = monotonic_ns();
    gst_sample_unref(sample);
    changed_.notify_all();
    return GST_FLOW_OK;
  }

  std::vector<std::byte> buffer_;
  GstElement* pipeline_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t size_ = 0;
  std::uint64_t at_ns_ = 0;  // when buffer_ was filled; 0: it may be filled again
  bool ends_ = false;
};

class GstreamerShm : public Rival {
 public:
  explicit GstreamerShm(const Terms& terms)
      : socket_(terms.dir + "/" + terms.name), bytes_(terms.bytes) {}
  std::unique_ptr<Sender> sender() override { return std::make_unique<ShmSender>(socket_, bytes_); }
  std::unique_ptr<Receiver> receiver(std::uint32_t) override {
    return std::make_unique<ShmReceiver>(socket_, bytes_);
  }

 private:
  const std::string socket_;
  const std::size_t bytes_;
};

std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<GstreamerShm>(terms);
}

}  // namespace
#endif

std::vector<RivalInfo> gstreamer_lanes() {
  RivalInfo lane{"gstreamer-shm",
                 "GStreamer shm",
                 Kind::rival,
                 false,
                 true,
                 nullptr,
                 "libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-bad",
                 ""};
#ifdef HAVE_GSTREAMER
  lane.make = make;
  guint major = 0, minor = 0, micro = 0, nano = 0;
  gst_version(&major, &minor, &micro, &nano);
  lane.settings =
      "GStreamer " + std::to_string(major) + "." + std::to_string(minor) + "." +
      std::to_string(micro) +
      ", shmsink sync=false wait-for-connection=false, shm-size 64 MiB (default) or 128 frames; "
      "shmsrc ! appsink sync=false, copied out in its callback";
#endif
  return {lane};
}

}  // namespace framering::bench
