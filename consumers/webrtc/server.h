// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http_session.h"

namespace framering::webrtc {

// Takes connections, within the limits, and gives each an HttpSession.
class Server {
 public:
  // Listens at once; throws boost::system::system_error.
  Server(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& address,
         const Services& services, UndecidedSessions& undecided);

  void start() { accept(); }
  [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const {
    return acceptor_.local_endpoint();
  }

 private:
  void accept();
  void take(boost::asio::ip::tcp::socket socket);

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  const Services& services_;
  UndecidedSessions& undecided_;
};

}  // namespace framering::webrtc
