// SPDX-License-Identifier: Apache-2.0
//
// What framesrc does while it runs.
#pragma once

#include <gst/base/gstbasesrc.h>

#include <cstdint>
#include <string>

#include "control/stream_reader.h"

namespace framering::gstreamer {

struct SourceSettings {
  std::string stream, socket_dir;
  bool eos_at_end = false;
};

// The running half of the element: exists between start and stop.
class Source {
 public:
  Source(GstBaseSrc* element, const SourceSettings& settings)
      : element_(element), eos_at_end_(settings.eos_at_end), reader_(reader_options(settings)) {
    GstPollFD event = GST_POLL_FD_INIT;
    event.fd = reader_.event_fd();
    gst_poll_add_fd(poll_, &event);
    gst_poll_fd_ctl_read(poll_, &event, TRUE);
  }
  ~Source() {
    gst_poll_free(poll_);
    gst_clear_caps(&caps_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] GstFlowReturn create(GstBuffer** buffer);
  // Any thread.
  void flush(bool flushing) { gst_poll_set_flushing(poll_, flushing ? TRUE : FALSE); }
  void request_key_frame() { reader_.request_key_frame(); }

 private:
  static ReaderOptions reader_options(const SourceSettings& settings) {
    ReaderOptions options;
    options.stream = settings.stream;
    options.socket_dir = settings.socket_dir;
    options.policy = Policy::live;
    options.start = Start::key;
    options.bell = Bell::line;  // for a thread that is woken by something else as well
    return options;
  }
  [[nodiscard]] std::uint32_t codec_of(const Frame& frame) const noexcept;
  [[nodiscard]] GstBuffer* copy_of(const Frame& frame);
  [[nodiscard]] bool follow_caps(const Frame& frame);
  void describe_planes(GstBuffer* buffer, const Frame& frame) const;
  void stamp(GstBuffer* buffer, const Frame& frame);

  GstBaseSrc* const element_;
  const bool eos_at_end_;
  StreamReader reader_;
  GstPoll* const poll_ = gst_poll_new(TRUE);
  GstCaps* caps_ = nullptr;
  GstClockTime last_dts_ = GST_CLOCK_TIME_NONE;
  bool gap_ = false;  // a frame was lost here: nothing until the next key frame
};

}  // namespace framering::gstreamer
