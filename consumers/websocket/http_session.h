// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "connection.h"
#include "request_target.h"
#include "stream_directory.h"
#include "stream_hub.h"
#include "websocket_peer.h"

namespace framering::websocket {

// What a session may use. All of it outlives the sessions.
struct Services {
  StreamHub& hub;
  StreamDirectory& directory;
  ConnectionLimit& connections;
};

// One connection while it speaks HTTP: reads a request, answers it, and again; or hands the
// connection over to the session that the request asks for.
class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(Connection connection, Services services);
  void run();

 private:
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  using Status = boost::beast::http::status;

  void read_request();
  void handle_request();
  void route(const RequestTarget& target);
  void serve_streams();
  void serve_health();
  void serve_direct(const RequestTarget& target);
  void serve_state(const RequestTarget& target);
  void serve_mjpeg(const RequestTarget& target);
  void serve_snapshot(const RequestTarget& target);

  // Calls `found` with the stream that ?stream= names, or with the first of that codec; or answers
  // with a refusal.
  void with_stream(const RequestTarget& target, std::uint32_t codec,
                   std::function<void(std::string)> found);
  [[nodiscard]] bool is_page_upgrade();  // else it has been answered
  [[nodiscard]] Connection hand_over();

  void refuse(Status status, const std::string& sentence);
  void answer(Status status, std::string_view content_type, std::string body);
  void send(Response response);

  boost::beast::tcp_stream socket_;
  std::optional<ConnectionTicket> ticket_;
  Services services_;
  boost::beast::flat_buffer received_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  Response response_;  // being written
};

}  // namespace framering::websocket
