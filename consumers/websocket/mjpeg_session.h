// SPDX-License-Identifier: Apache-2.0
//
// One viewer of GET /api/stream/mjpeg: multipart/x-mixed-replace, as NanoKVM's.
//
//   --frame\r\n  Content-Type: image/jpeg\r\n  Content-Length: N\r\n  \r\n  JPEG  \r\n  --frame\r\n
//   ...
//
// Browsers show a part when they see the boundary after it. So each write ends with the boundary of
// the next part, and a picture is shown at once, not with its successor.
#pragma once

#include <memory>
#include <string>

#include "connection.h"
#include "stream_hub.h"
#include "write_watchdog.h"

namespace framering::websocket {

class MjpegSession final : public std::enable_shared_from_this<MjpegSession>, private Viewer {
 public:
  MjpegSession(Connection connection, StreamHub& hub, std::string stream);
  void run();

 private:
  void on_frame(const SharedFrame& frame) override;
  void on_state(const FeedState& state) override;
  void write_next();
  void watch_for_end();
  void abandon();

  boost::beast::tcp_stream socket_;
  ConnectionTicket ticket_;
  StreamHub& hub_;
  const std::string stream_;
  Subscription subscription_;
  WriteWatchdog watchdog_;
  SharedFrame newest_;   // to write next: a slow viewer misses what it replaces
  SharedFrame written_;  // being written
  std::string head_;     // what goes before it
  bool begun_ = false;
  bool writing_ = false;
  bool abandoned_ = false;
  char ignored_[64];  // the viewer has nothing more to say
};

}  // namespace framering::websocket
