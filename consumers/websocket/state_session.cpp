// SPDX-License-Identifier: Apache-2.0
#include "state_session.h"

#include <boost/asio/buffer.hpp>
#include <utility>

#include "direct_message.h"
#include "status_json.h"

namespace framering::websocket {

StateSession::StateSession(Connection connection, StreamHub& hub, std::string stream)
    : WebSocketPeer(std::move(connection), kMaxClientMessageBytes),
      hub_(hub),
      stream_(std::move(stream)) {}

void StateSession::on_open() {
  try {
    subscription_ = hub_.subscribe(stream_, *this, Wish::state_only);
  } catch (const std::exception& error) {
    return close(boost::beast::websocket::close_code::try_again_later, error.what());
  }
  on_state(subscription_->state());
}

void StateSession::on_state(const FeedState& state) {
  newest_ = state_json(stream_, state);
  if (!writing()) on_writable();
}

void StateSession::on_writable() {
  if (newest_.empty() || !open()) return;
  text_ = std::exchange(newest_, {});
  write(boost::asio::buffer(text_), false);
}

void StateSession::on_closed() {
  subscription_.reset();
}

}  // namespace framering::websocket
