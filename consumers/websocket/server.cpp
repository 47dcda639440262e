// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/buffer.hpp>
#include <memory>
#include <string_view>
#include <utility>

#include "listen_address.h"

namespace framering::websocket {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kPause{200};  // out of descriptors: some may come back
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 49\r\n"
    "Connection: close\r\n"
    "\r\n"
    "too many connections; see --max-connections here\n";
constexpr std::string_view kAddressFull =
    "HTTP/1.1 429 Too Many Requests\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 43\r\n"
    "Connection: close\r\n"
    "\r\n"
    "too many connections from this one address\n";

}  // namespace

Server::Server(asio::io_context& io, const tcp::endpoint& address, Services services,
               UndecidedSessions& undecided, TlsContext* tls)
    : acceptor_(io), pause_(io), services_(services), tls_(tls), undecided_(undecided) {
  const auto check = [&](const error_code& error) {
    if (error)
      throw boost::system::system_error(error,
                                        "cannot listen on " + url_of(address, tls != nullptr));
  };
  error_code error;
  acceptor_.open(address.protocol(), error);
  check(error);
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  check(error);
  acceptor_.bind(address, error);
  check(error);
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  check(error);
}

void Server::stop() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

void Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      spdlog::warn("cannot take a connection: {}; trying again", error.message());
      return pause();
    }
    take(std::move(socket));
    accept();
  });
}

void Server::take(tcp::socket socket) {
  error_code gone;
  const asio::ip::address address = socket.remote_endpoint(gone).address();
  if (gone) return;
  Refusal why{};
  if (services_.admission.full() && !undecided_.empty()) undecided_.front()->evict();
  std::optional<ConnectionTicket> ticket = services_.admission.take(address, why);
  if (!ticket) return turn_away(socket, why);
  ++services_.counters.connections_accepted;
  boost::beast::tcp_stream stream(std::move(socket));
#ifdef FRAMERING_TLS
  PeerSocket peer =
      tls_ != nullptr ? PeerSocket(std::move(stream), *tls_) : PeerSocket(std::move(stream));
#else
  PeerSocket peer(std::move(stream));
#endif
  Connection connection{std::move(peer), std::move(*ticket)};
  std::make_shared<HttpSession>(std::move(connection), services_, undecided_)->run();
}

// A word is a courtesy that must not cost us anything.
void Server::turn_away(tcp::socket& socket, Refusal why) {
  services_.counters.refuse(why);
  if (tls_ != nullptr) return;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(why == Refusal::full ? kFull : kAddressFull), 0, ignored);
}

void Server::pause() {
  pause_.expires_after(kPause);
  pause_.async_wait([this](error_code error) {
    if (!error) accept();
  });
}

}  // namespace framering::websocket
