// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http_session.h"

namespace framering::websocket {

#ifdef FRAMERING_TLS
using TlsContext = boost::asio::ssl::context;
#else
struct TlsContext;
#endif

// Takes connections, within the limits, and gives each an HttpSession.
class Server {
 public:
  // `tls`: null, if connections are not encrypted; else outlives this. Listens at once; throws
  // boost::system::system_error that names the address.
  Server(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& address,
         Services services, UndecidedSessions& undecided, TlsContext* tls);

  void start() { accept(); }
  // Who comes from now on is refused by the kernel.
  void stop();
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const {
    return acceptor_.local_endpoint();
  }

 private:
  void accept();
  void take(boost::asio::ip::tcp::socket socket);
  void turn_away(boost::asio::ip::tcp::socket& socket, Refusal why);
  void pause();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  Services services_;
  TlsContext* tls_;
  UndecidedSessions& undecided_;
};

}  // namespace framering::websocket
