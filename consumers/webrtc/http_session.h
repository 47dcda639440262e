// SPDX-License-Identifier: Apache-2.0
//
// WHEP over HTTP (draft-ietf-wish-whep):
//
//   /whep/STREAM   POST an offer: 201 with the answer, Location and ETag. OPTIONS: Link to the ICE
//                  servers, CORS
//   /session/ID    PATCH candidates (trickle ICE), DELETE
//   /              a bare test player
//   /healthz
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "access_policy.h"
#include "admission.h"
#include "request_target.h"
#include "whep_sessions.h"

namespace framering::webrtc {

// Those whose request is not whole yet, oldest first. When there is no place for a newcomer, one of
// them makes room: else a few hundred that send nothing would keep everybody out.
class HttpSession;
using UndecidedSessions = std::list<HttpSession*>;

// What a request may use. All of it outlives the event loop.
struct Services {
  WhepSessions& sessions;
  websocket::Admission& admission;
  const websocket::AccessPolicy& access;
  const std::vector<std::string>& origins;  // of pages elsewhere that may connect
  std::string ice_links;                    // values of the Link header; empty: none
};

class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(boost::asio::ip::tcp::socket socket, websocket::ConnectionTicket ticket,
              const Services& services, UndecidedSessions& undecided);
  ~HttpSession() { set_undecided(false); }
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  void run() { read_request(); }
  // Only while it is undecided.
  void evict();

 private:
  using Body = boost::beast::http::string_body;
  using Response = boost::beast::http::response<Body>;
  using Status = boost::beast::http::status;

  void set_undecided(bool undecided);
  void read_request();
  void read_failed(boost::system::error_code error);
  void handle_request();
  [[nodiscard]] bool is_welcome(const websocket::RequestTarget& target);
  [[nodiscard]] bool is_welcome_origin() const;
  void route(const websocket::RequestTarget& target);
  void serve_stream(const std::string& stream);
  void begin_session(const std::string& stream);
  void serve_session(const std::string& id);
  void patch_session(WhepSession& session);
  [[nodiscard]] bool has_type(std::string_view type) const;

  void refuse(Status status, const std::string& sentence);
  void allow_only(std::string_view methods);
  [[nodiscard]] Response response_of(Status status, std::string_view content_type,
                                     std::string body) const;
  void send(Response response);

  boost::beast::tcp_stream stream_;
  std::optional<websocket::ConnectionTicket> ticket_;  // none: evicted
  const Services& services_;
  UndecidedSessions& undecided_;
  std::optional<UndecidedSessions::iterator> place_;  // while undecided
  bool may_watch_ = false;                            // not just ask: a preflight has no token
  boost::beast::flat_buffer received_;
  std::optional<boost::beast::http::request_parser<Body>> parser_;
  Response response_;  // being written
};

// "<stun:host:port>; rel=\"ice-server\"", as RFC 9725, 4.6 has it. Empty: LAN mode.
[[nodiscard]] std::string ice_links(const IceSettings& ice);

}  // namespace framering::webrtc
