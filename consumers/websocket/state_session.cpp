// SPDX-License-Identifier: Apache-2.0
#include "state_session.h"

#include <utility>

#include "direct_message.h"
#include "ring/clock.h"
#include "status_json.h"

namespace framering::websocket {

StateSession::StateSession(Connection connection, Services services, const std::string& stream)
    : WebSocketPeer(std::move(connection),
                    std::make_unique<ViewerLog>(services.counters, Way::state, stream,
                                                connection.ticket.address())),
      hub_(services.hub),
      stream_(stream) {}

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
  on_writable();
}

void StateSession::on_message(std::span<const std::byte> message, bool binary) {
  const ClientMessage parsed = binary ? parse_client_message(message) : ClientMessage{};
  if (parsed.kind != ClientMessage::Kind::clock) return;
  asked_ = parsed.number;
  on_writable();
}

void StateSession::on_writable() {
  while (open() && !writing() && (asked_ || !newest_.empty())) {
    text_ = asked_ ? clock_json(*std::exchange(asked_, std::nullopt), monotonic_ns())
                   : std::exchange(newest_, {});
    write(MessageKind::text, {}, std::as_bytes(std::span(text_)));
  }
}

void StateSession::on_closed() {
  subscription_.reset();
}

}  // namespace framering::websocket
