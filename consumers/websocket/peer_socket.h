// SPDX-License-Identifier: Apache-2.0
//
// A peer's socket, with or without TLS, as one type: the sessions are the same for both.
//
// It has two writers, each with one write at a time: the session writes its messages (write_now,
// write_later), and Beast everything else (HTTP, and WebSocket's pings, pongs and closes). They
// take turns, and each turn lasts until all of its bytes are written: what fits the socket's buffer
// is seldom the end of a message, and a ping in the middle of one would be taken for picture.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
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

  // What a message is made of. Its bytes must stay as they are until it is written.
  using Pieces = std::array<boost::asio::const_buffer, 3>;

  explicit PeerSocket(next_layer_type tcp)
      : tcp_(std::move(tcp)), turn_(tcp_.get_executor(), kNever) {}
  [[nodiscard]] executor_type get_executor() { return next_layer().get_executor(); }

#ifdef FRAMERING_TLS
  PeerSocket(next_layer_type tcp, boost::asio::ssl::context& context)
      : tcp_(tcp.get_executor()),
        tls_(std::in_place, std::move(tcp), context),
        turn_(tcp_.get_executor(), kNever) {}
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

  // Beast's way of writing. Writes all of it, which `some` permits.
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, Transfer>(
        [this](auto handler, const Buffers& from) {
          this->write_in_turn(from, std::move(handler));
        },
        token, buffers);
  }

  // Gives the kernel what it takes at once. True: that was all, as it is for a peer that keeps up,
  // and this costs one system call. Else `pieces` is what remains, for write_later; so it is after
  // an error as well, which shows there.
  [[nodiscard]] bool write_now(Pieces& pieces) {
    if (writing_ || encrypted()) return false;
    boost::system::error_code ignored;
    auto& socket = next_layer().socket();
    if (!socket.non_blocking()) socket.non_blocking(true, ignored);
    std::size_t sent = socket.send(pieces, 0, ignored);
    for (boost::asio::const_buffer& piece : pieces) {
      const std::size_t part = std::min(sent, piece.size());
      piece += part;
      sent -= part;
    }
    return boost::asio::buffer_size(pieces) == 0;
  }
  // Calls `handler(error_code, size_t)` when all of it is written, never from in here.
  template <class Handler>
  void write_later(const Pieces& pieces, Handler&& handler) {
    write_in_turn(pieces, std::forward<Handler>(handler));
  }

 private:
  using Transfer = void(boost::system::error_code, std::size_t);
  static constexpr auto kNever = boost::asio::steady_timer::time_point::max();

  template <class Buffers, class Handler>
  void write_in_turn(const Buffers& buffers, Handler handler) {
    if (!std::exchange(writing_, true)) return write_all(buffers, std::move(handler));
    turn_.async_wait([this, buffers, handler = std::move(handler)](auto) mutable {
      this->write_all(buffers, std::move(handler));
    });
  }

  template <class Buffers, class Handler>
  void write_all(const Buffers& buffers, Handler handler) {
    auto done = [this, handler = std::move(handler)](auto error, std::size_t bytes) mutable {
      writing_ = turn_.cancel() != 0;  // it is the other's turn now, if that waits
      handler(error, bytes);
    };
#ifdef FRAMERING_TLS
    if (tls_) return boost::asio::async_write(*tls_, buffers, std::move(done));
#endif
    boost::asio::async_write(tcp_, buffers, std::move(done));
  }

  next_layer_type tcp_;  // without TLS
#ifdef FRAMERING_TLS
  std::optional<boost::beast::ssl_stream<next_layer_type>> tls_;
#endif
  boost::asio::steady_timer turn_;  // never expires; who waits for it waits for its turn to write
  bool writing_ = false;
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
