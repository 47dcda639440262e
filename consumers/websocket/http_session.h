// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "peer_socket.h"
#include "request_target.h"
#include "services.h"
#include "websocket_peer.h"

namespace framering::websocket {

class HttpSession;

// The connections that have not asked for anything yet, the oldest first: who needs a place when
// there is none takes it from them.
using UndecidedSessions = std::list<HttpSession*>;

// One connection while it speaks HTTP: reads a request, answers it, and again; or hands the
// connection over to the session that the request asks for.
class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(Connection connection, Services services, UndecidedSessions& undecided);
  ~HttpSession();
  void run();
  // Only of one that is undecided.
  void evict();

 private:
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  using Status = boost::beast::http::status;

  void read_request();
  void read_failed(boost::system::error_code error);
  void handle_request();
  [[nodiscard]] bool is_welcome(const RequestTarget& target);
  void set_undecided(bool undecided);

  // routes.cpp
  void route(const RequestTarget& target);
  void serve_streams();
  void serve_health();
  void serve_metrics();
  void serve_login(const RequestTarget& target);
  void serve_frames(const RequestTarget& target, Wish form);
  void serve_state(const RequestTarget& target);
  void serve_mjpeg(const RequestTarget& target, bool as_ustreamer);
  void serve_snapshot(const RequestTarget& target);
  void serve_ustreamer_state(const RequestTarget& target);

  // Calls `found` with the stream that ?stream= names, or with the first whose codec `fits`; or
  // answers with a refusal that calls it a `kind` stream.
  using Fits = bool (*)(std::uint32_t codec);
  void with_stream(const RequestTarget& target, Fits fits, const char* kind,
                   std::function<void(std::string)> found);
  [[nodiscard]] bool is_page_upgrade();  // else it has been answered
  [[nodiscard]] Connection hand_over();

  void refuse(Status status, const std::string& sentence);
  void answer(Status status, std::string_view content_type, std::string body);
  [[nodiscard]] Response response_of(Status status, std::string_view content_type,
                                     std::string body) const;
  void send(Response response);
  void end();

  PeerSocket socket_;
  std::optional<ConnectionTicket> ticket_;
  Services services_;
  UndecidedSessions& undecided_;
  std::optional<UndecidedSessions::iterator> place_;  // among them
  boost::beast::flat_buffer received_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::empty_body>> parser_;
  Response response_;  // being written
};

}  // namespace framering::websocket
