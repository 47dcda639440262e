// SPDX-License-Identifier: Apache-2.0
//
// One viewer of MJPEG over HTTP: multipart/x-mixed-replace, as NanoKVM's (GET /api/stream/mjpeg)
//
//   --frame\r\n  Content-Type: image/jpeg\r\n  Content-Length: N\r\n  \r\n  JPEG  \r\n  --frame\r\n
//   ...
//
// or as uStreamer's (GET /stream, ustreamer.h).
//
// Browsers show a part when they see the boundary after it. So each write ends with the boundary of
// the next part, and a picture is shown at once, not with its successor.
//
// Memory: one picture being written, one waiting.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "peer_socket.h"
#include "services.h"
#include "viewer_log.h"
#include "write_watchdog.h"

namespace framering::websocket {

struct MjpegWish {
  std::string stream;
  bool timing = false;                        // X-Framering-Timing with each part
  std::optional<UstreamerOptions> ustreamer;  // nothing: as NanoKVM's
};

class MjpegSession final : public std::enable_shared_from_this<MjpegSession>, private Viewer {
 public:
  MjpegSession(Connection connection, Services services, MjpegWish wish);
  ~MjpegSession() override;
  void run();

 private:
  void on_frame(const SharedFrame& frame) override;
  void on_state(const FeedState& state) override;
  ViewerLoad load() override;
  void write_next();
  [[nodiscard]] std::string head_of(const EncodedFrame& picture);
  [[nodiscard]] std::string response() const;
  void watch_for_end();
  void abandon();

  PeerSocket socket_;
  ConnectionTicket ticket_;
  Services services_;
  const MjpegWish wish_;
  ViewerLog log_;
  Subscription subscription_;
  WriteWatchdog watchdog_;
  UstreamerClient client_;  // as /state shows it, if it is one
  std::uint64_t client_id_ = 0;
  SharedFrame newest_;          // to write next: a slow viewer misses what it replaces
  SharedFrame written_;         // being written
  std::string head_;            // what goes before it
  std::string tail_;            // and after it
  std::uint32_t replaced_ = 0;  // since load() was called
  bool begun_ = false;
  bool writing_ = false;
  bool abandoned_ = false;
  char ignored_[64];  // the viewer has nothing more to say
};

}  // namespace framering::websocket
