// SPDX-License-Identifier: Apache-2.0
//
// A peer's socket, with or without TLS, as one type: the sessions are the same for both.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <utility>

#include "admission.h"
#ifdef FRAMERING_TLS
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#endif

namespace framering::websocket {

// Models Beast's and Asio's AsyncStream.
class PeerSocket {
 public:
  using next_layer_type = boost::beast::tcp_stream;
  using executor_type = next_layer_type::executor_type;

  explicit PeerSocket(next_layer_type tcp) : tcp_(std::move(tcp)) {}
  [[nodiscard]] executor_type get_executor() { return next_layer().get_executor(); }

#ifdef FRAMERING_TLS
  PeerSocket(next_layer_type tcp, boost::asio::ssl::context& context)
      : tcp_(tcp.get_executor()), tls_(std::in_place, std::move(tcp), context) {}
  [[nodiscard]] bool encrypted() const noexcept {
    return tls_.has_value();
  }
  next_layer_type& next_layer() {
    return tls_ ? tls_->next_layer() : tcp_;
  }
  // Calls `handler(error_code)`. Only when encrypted().
  template <class Handler>
  void async_handshake(Handler&& handler) {
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Handler>(handler));
  }
#else
  [[nodiscard]] static bool encrypted() noexcept {
    return false;
  }
  next_layer_type& next_layer() {
    return tcp_;
  }
#endif

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, Transfer>(
        [this](auto handler, const Buffers& into) {
#ifdef FRAMERING_TLS
          if (tls_) return tls_->async_read_some(into, std::move(handler));
#endif
          tcp_.async_read_some(into, std::move(handler));
        },
        token, buffers);
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, Transfer>(
        [this](auto handler, const Buffers& from) {
#ifdef FRAMERING_TLS
          if (tls_) return tls_->async_write_some(from, std::move(handler));
#endif
          tcp_.async_write_some(from, std::move(handler));
        },
        token, buffers);
  }

 private:
  using Transfer = void(boost::system::error_code, std::size_t);

  next_layer_type tcp_;  // without TLS
#ifdef FRAMERING_TLS
  std::optional<boost::beast::ssl_stream<next_layer_type>> tls_;
#endif
};

// The end of a WebSocket: both sides have said so in close frames, which is what close_notify would
// say once more.
template <class Handler>
void async_teardown(boost::beast::role_type role, PeerSocket& socket, Handler&& handler) {
  boost::beast::websocket::async_teardown(role, socket.next_layer().socket(),
                                          std::forward<Handler>(handler));
}
inline void teardown(boost::beast::role_type role, PeerSocket& socket,
                     boost::system::error_code& error) {
  boost::beast::websocket::teardown(role, socket.next_layer().socket(), error);
}

// One peer, handed from the HTTP session to the session that its request asks for.
struct Connection {
  PeerSocket socket;
  ConnectionTicket ticket;
};

}  // namespace framering::websocket
