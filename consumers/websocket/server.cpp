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

}  // namespace

Server::Server(asio::io_context& io, const tcp::endpoint& address, Services services)
    : acceptor_(io), pause_(io), services_(services) {
  const auto check = [&](const error_code& error) {
    if (error) throw boost::system::system_error(error, "cannot listen on " + url_of(address));
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

void Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) {
      spdlog::warn("cannot take a connection: {}; trying again", error.message());
      return pause();
    }
    if (std::optional<ConnectionTicket> ticket = services_.connections.take()) {
      Connection connection{boost::beast::tcp_stream(std::move(socket)), std::move(*ticket)};
      std::make_shared<HttpSession>(std::move(connection), services_)->run();
    } else {
      error_code ignored;  // a courtesy that must not cost us anything
      socket.non_blocking(true, ignored);
      socket.send(asio::buffer(kFull), 0, ignored);
    }
    accept();
  });
}

void Server::pause() {
  pause_.expires_after(kPause);
  pause_.async_wait([this](error_code error) {
    if (!error) accept();
  });
}

}  // namespace framering::websocket
