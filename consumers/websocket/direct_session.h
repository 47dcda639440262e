// SPDX-License-Identifier: Apache-2.0
//
// One viewer of GET /api/stream/h264/direct: NanoKVM's H.264 over WebSocket (direct_message.h).
#pragma once

#include <array>
#include <string>

#include "direct_message.h"
#include "flow_window.h"
#include "stream_hub.h"
#include "websocket_peer.h"

namespace framering::websocket {

class DirectSession final : public WebSocketPeer, private Viewer {
 public:
  // `window`: as FlowWindow's.
  DirectSession(Connection connection, StreamHub& hub, std::string stream, std::uint32_t window);

 private:
  void on_open() override;
  void on_message(std::span<const std::byte> message, bool binary) override;
  void on_writable() override;
  void on_closed() override;
  void on_frame(const SharedFrame& frame) override;
  void on_state(const FeedState& state) override;
  void write_next();

  StreamHub& hub_;
  const std::string stream_;
  FlowWindow flow_;
  Subscription subscription_;
  SharedFrame written_;  // being written, with its header
  std::array<std::byte, kDirectHeaderBytes> header_{};
};

}  // namespace framering::websocket
