// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <utility>

namespace framering::webrtc {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kPause{200};  // out of descriptors: some may come back

}  // namespace

Server::Server(boost::asio::io_context& io, const tcp::endpoint& address, const Services& services,
               UndecidedSessions& undecided)
    : acceptor_(io, address), pause_(io), services_(services), undecided_(undecided) {}

void Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == boost::asio::error::operation_aborted) return;
    if (!error) {
      take(std::move(socket));
      return accept();
    }
    spdlog::warn("cannot take a connection: {}; trying again", error.message());
    pause_.expires_after(kPause);
    pause_.async_wait([this](error_code stopped) {
      if (!stopped) accept();
    });
  });
}

// Over the limits, the connection is closed without a word: nobody is read from who has no place.
void Server::take(tcp::socket socket) {
  error_code gone;
  const boost::asio::ip::address address = socket.remote_endpoint(gone).address();
  if (gone) return;
  if (services_.admission.full() && !undecided_.empty()) undecided_.front()->evict();
  websocket::Refusal why{};
  std::optional<websocket::ConnectionTicket> ticket = services_.admission.take(address, why);
  if (!ticket) return;
  std::make_shared<HttpSession>(std::move(socket), std::move(*ticket), services_, undecided_)
      ->run();
}

}  // namespace framering::webrtc
