// SPDX-License-Identifier: Apache-2.0
//
// One viewer who gets frames over WebSocket: GET /api/stream/h264/direct, NanoKVM's, or
// /api/stream/mp4 (direct_message.h, README.md).
//
// Memory: what FlowWindow bounds, in references to frames that all viewers share, and one message
// being written.
#pragma once

#include <optional>
#include <string>

#include "direct_message.h"
#include "flow_window.h"
#include "line_speed.h"
#include "services.h"
#include "websocket_peer.h"

namespace framering::websocket {

struct FrameWish {
  std::string stream;
  Wish form = Wish::frames;  // or fragments
  std::uint32_t window = 0;  // as FlowWindow's
  bool timing = false;       // ?timing=1
};

class FrameSession final : public WebSocketPeer, private Viewer {
 public:
  FrameSession(Connection connection, Services services, FrameWish wish);

 private:
  FrameSession(std::unique_ptr<ViewerLog> log, Connection connection, StreamHub& hub,
               FrameWish wish);
  void on_open() override;
  void on_message(std::span<const std::byte> message, bool binary) override;
  void on_writable() override;
  void on_closed() override;
  void on_frame(const SharedFrame& frame) override;
  void on_state(const FeedState& state) override;
  void on_end() override { go_away(); }
  ViewerLoad load() override;

  void subscribe(bool to_frames);
  void pause();
  void resume();
  void write_next();
  [[nodiscard]] bool write_one();
  [[nodiscard]] bool write_before_frame();
  void write_text(std::string text);
  void write_binary(const std::vector<std::byte>& bytes);
  void acknowledged(std::uint64_t timestamp_us);
  void account();

  StreamHub& hub_;
  const FrameWish wish_;
  FlowWindow flow_;
  Subscription subscription_;
  bool paused_ = false;
  bool to_go_on_ = false;  // writing, in the event loop's next round

  SharedFrame pending_;                           // taken from flow_, to be written next
  SharedFrame written_;                           // being written
  std::shared_ptr<const InitSegment> announced_;  // the last one that was told in text
  std::shared_ptr<const InitSegment> init_;       // the last one that was sent
  std::optional<std::uint64_t> asked_;            // the clock, and not yet answered
  std::uint64_t timed_ns_ = 0;                    // when timing was last told
  std::string text_;                              // being written
  FrameHeader header_;                            // being written

  std::uint64_t dropped_ = 0;      // by flow_, as far as it is in the counters
  std::uint32_t most_behind_ = 0;  // frames, since load() was called
  // Until it is acknowledged, a frame is on its way; without a window, while it is being written.
  LineSpeed line_;
};

}  // namespace framering::websocket
