// SPDX-License-Identifier: Apache-2.0
//
// What framesink does while it runs.
#pragma once

#include <gst/base/gstbasesink.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "media_caps.h"
#include "output.h"
#include "ring/fd.h"

namespace framering::gstreamer {

struct SinkSettings {
  std::string stream, socket_dir;
  guint64 history_bytes = 0;  // 0: fitting the pictures
};

// The stream, from the first caps to the element's end. Pictures come on the streaming thread;
// a thread of its own hears the readers' wishes and keeps the stream alive when nothing comes.
class SinkStream {
 public:
  SinkStream(GstBaseSink* element, const SinkSettings& settings, const Media& media)
      : element_(element), media_(media), output_(writer_options(settings, media)) {
    listener_ = std::thread([this] { listen(); });
  }
  ~SinkStream() {
    const std::uint64_t one = 1;
    static_cast<void>(::write(stop_.get(), &one, sizeof one));
    listener_.join();
  }
  SinkStream(const SinkStream&) = delete;
  SinkStream& operator=(const SinkStream&) = delete;

  // False: the stream cannot become this, and a new one is needed.
  [[nodiscard]] bool follow(const Media& media);
  [[nodiscard]] bool publish(GstBuffer* buffer);

 private:
  static WriterOptions writer_options(const SinkSettings& settings, const Media& media);
  void publish_raw(GstBuffer* buffer, FrameMeta meta);
  [[nodiscard]] FrameMeta meta_of(GstBuffer* buffer) const;
  void listen();
  void hear_readers();

  GstBaseSink* const element_;
  Media media_;
  const Fd stop_{// readable: the listener ends
                 ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::mutex mutex_;
  Output output_;  // guarded by mutex_
  bool warned_ = false;
  std::thread listener_;
};

}  // namespace framering::gstreamer
