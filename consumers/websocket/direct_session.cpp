// SPDX-License-Identifier: Apache-2.0
#include "direct_session.h"

#include <boost/asio/buffer.hpp>
#include <utility>

namespace framering::websocket {

using boost::beast::websocket::close_code;

DirectSession::DirectSession(Connection connection, StreamHub& hub, std::string stream,
                             std::uint32_t window)
    : WebSocketPeer(std::move(connection), kMaxClientMessageBytes),
      hub_(hub),
      stream_(std::move(stream)),
      flow_(window) {}

void DirectSession::on_open() {
  try {
    subscription_ = hub_.subscribe(stream_, *this, Wish::frames);
  } catch (const std::exception& error) {
    return close(close_code::try_again_later, error.what());
  }
  flow_.begin(subscription_->newcomer_start());
  on_state(subscription_->state());
  write_next();
}

void DirectSession::on_message(std::span<const std::byte> message, bool binary) {
  if (!binary) return;
  const ClientMessage parsed = parse_client_message(message);
  if (parsed.kind == ClientMessage::Kind::acknowledge) flow_.acknowledge(parsed.timestamp_us);
  if (parsed.kind == ClientMessage::Kind::resync) flow_.resync();
  write_next();
}

void DirectSession::on_frame(const SharedFrame& frame) {
  flow_.offer(frame);
  write_next();
}

void DirectSession::on_state(const FeedState& state) {
  if (!state.refusal.empty()) close(close_code::policy_error, state.refusal);
  if (state.codec != 0 && state.codec != kCodecH264)
    close(close_code::policy_error, stream_ + " is no H.264 stream");
}

void DirectSession::write_next() {
  if (writing() || !open()) return;
  written_ = flow_.next();
  if (written_ == nullptr) return;
  header_ = direct_header(*written_);
  write(std::array<boost::asio::const_buffer, 2>{boost::asio::buffer(header_),
                                                 boost::asio::buffer(written_->bytes)},
        true);
}

void DirectSession::on_writable() {
  write_next();
}

void DirectSession::on_closed() {
  subscription_.reset();
}

}  // namespace framering::websocket
