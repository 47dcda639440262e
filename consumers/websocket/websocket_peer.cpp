// SPDX-License-Identifier: Apache-2.0
#include "websocket_peer.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "direct_message.h"

namespace framering::websocket {

namespace {

namespace asio = boost::asio;
namespace ws = boost::beast::websocket;
using boost::system::error_code;

constexpr std::chrono::seconds kPingInterval{15};
constexpr std::chrono::seconds kSilenceLimit{30};  // without even a pong
constexpr std::chrono::seconds kHandshakeLimit{5};
constexpr std::chrono::seconds kGoodbyeLimit{2};  // to hang up after it
constexpr std::chrono::milliseconds kWriteLimit{2000};

}  // namespace

WebSocketPeer::WebSocketPeer(Connection connection, std::unique_ptr<ViewerLog> log)
    : socket_(std::move(connection.socket)),
      ticket_(std::move(connection.ticket)),
      log_(std::move(log)),
      received_(kMaxClientMessageBytes),
      ping_timer_(socket_.get_executor()),
      watchdog_(socket_.get_executor(), kWriteLimit, [this] {
        log_->refuse(Refusal::stuck);
        abandon();
      }) {
  socket_.read_message_max(kMaxClientMessageBytes);
  socket_.control_callback([this](auto, auto) { heard_ = Clock::now(); });
}

void WebSocketPeer::run(const Request& request) {
  request_ = request;
  boost::beast::get_lowest_layer(socket_)
      .expires_never();  // the WebSocket layer has its own limits
  // Beast's idle time-out counts messages alone: a viewer who just watches has only pongs to send.
  socket_.set_option(ws::stream_base::timeout{.handshake_timeout = kHandshakeLimit,
                                              .idle_timeout = ws::stream_base::none(),
                                              .keep_alive_pings = false});
  socket_.async_accept(request_,
                       [self = shared_from_this()](error_code error) { self->accepted(error); });
}

void WebSocketPeer::accepted(error_code error) {
  if (error) return abandon();
  open_ = true;
  heard_ = Clock::now();
  read();
  ping_later();
  on_open();
}

void WebSocketPeer::read() {
  socket_.async_read(received_, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return self->read_failed(error);
    self->heard_ = Clock::now();
    const auto bytes = self->received_.cdata();
    self->on_message({static_cast<const std::byte*>(bytes.data()), bytes.size()},
                     self->socket_.got_binary());
    self->received_.clear();
    if (!self->abandoned_) self->read();
  });
}

void WebSocketPeer::read_failed(error_code error) {
  if (error == boost::beast::error::timeout) {
    log_->refuse(Refusal::silent);
  } else if (error != ws::error::closed &&
             error.category() == make_error_code(ws::error::closed).category()) {
    log_->refuse(Refusal::bad_message);
  }
  abandon();
}

void WebSocketPeer::write(MessageKind kind, std::span<const std::byte> head,
                          std::span<const std::byte> body) {
  if (!socket_.is_open()) {
    // The client has said goodbye, or Beast to it: no message may follow (RFC 6455, 5.5.1). The read
    // ends when it hangs up, and tells why.
    writing_ = true;
    ping_timer_.expires_after(kGoodbyeLimit);
    return ping_timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!error && self) self->abandon();
    });
  }
  message_head_ = message_head(kind, head.size() + body.size());
  PeerSocket::Pieces pieces{asio::buffer(message_head_.bytes.data(), message_head_.size),
                            asio::buffer(head.data(), head.size()),
                            asio::buffer(body.data(), body.size())};
  if (socket_.next_layer().write_now(pieces)) return;
  writing_ = true;
  watchdog_.write_begins(weak_from_this());
  socket_.next_layer().write_later(
      pieces, [self = shared_from_this()](error_code error, std::size_t) { self->written(error); });
}

void WebSocketPeer::written(error_code error) {
  writing_ = false;
  watchdog_.write_ends();
  if (error) return abandon();
  if (open_) on_writable();
}

void WebSocketPeer::ping_later() {
  ping_timer_.expires_at(std::min(Clock::now() + kPingInterval, heard_ + kSilenceLimit));
  ping_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self || !self->open_) return;
    if (Clock::now() >= self->heard_ + kSilenceLimit) {
      self->log_->refuse(Refusal::silent);
      return self->abandon();
    }
    self->socket_.async_ping({}, [self](error_code failed) {
      if (failed) return self->abandon();
      self->ping_later();
    });
  });
}

void WebSocketPeer::close(ws::close_code code, const std::string& reason) {
  if (!std::exchange(open_, false)) return;
  ping_timer_.cancel();
  ws::close_reason why(code);
  // A close frame has room for 123 bytes of reason.
  why.reason.assign(reason.data(), std::min(reason.size(), why.reason.max_size()));
  socket_.async_close(why, [self = shared_from_this()](error_code) { self->abandon(); });
}

void WebSocketPeer::abandon() {
  if (std::exchange(abandoned_, true)) return;
  open_ = false;
  ping_timer_.cancel();
  watchdog_.cancel();
  error_code ignored;
  boost::beast::get_lowest_layer(socket_).socket().close(ignored);
  on_closed();
}

}  // namespace framering::websocket
