// SPDX-License-Identifier: Apache-2.0
//
// One listener of GET /api/state: a JSON text message now, and one for each change (state_json).
#pragma once

#include <optional>
#include <string>

#include "services.h"
#include "websocket_peer.h"

namespace framering::websocket {

class StateSession final : public WebSocketPeer, private Viewer {
 public:
  StateSession(Connection connection, Services services, const std::string& stream);

 private:
  void on_open() override;
  void on_message(std::span<const std::byte> message, bool binary) override;
  void on_writable() override;
  void on_closed() override;
  void on_frame(const SharedFrame&) override {}
  void on_state(const FeedState& state) override;
  void on_end() override { go_away(); }

  StreamHub& hub_;
  const std::string stream_;
  Subscription subscription_;
  std::string text_;                    // being written
  std::optional<std::uint64_t> asked_;  // the clock, and not yet answered
  std::string newest_;  // to write next; empty: nothing. A slow listener misses what is outdated.
};

}  // namespace framering::websocket
