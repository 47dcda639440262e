// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http_session.h"

namespace framering::websocket {

// Takes connections and gives each an HttpSession.
class Server {
 public:
  // Listens at once; throws boost::system::system_error that names the address.
  Server(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& address,
         Services services);

  void start() { accept(); }
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const {
    return acceptor_.local_endpoint();
  }

 private:
  void accept();
  void pause();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  Services services_;
};

}  // namespace framering::websocket
