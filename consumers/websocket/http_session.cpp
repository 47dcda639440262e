// SPDX-License-Identifier: Apache-2.0
#include "http_session.h"

#include <netinet/tcp.h>

#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <utility>

#include "page_policy.h"
#include "unix_time.h"

namespace framering::websocket {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint32_t kMaxHeaderBytes = 8192;
constexpr std::chrono::seconds kRequestLimit{15};   // idle time, TLS and all of the header
constexpr std::chrono::seconds kResponseLimit{15};  // a snapshot or a page on a slow line
// How much of a stream may wait in the kernel for a slow viewer: what waits there cannot be
// dropped.
constexpr int kMaxUnsentBytes = 128 << 10;

constexpr std::string_view kText = "text/plain; charset=utf-8";

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

HttpSession::HttpSession(Connection connection, Services services, UndecidedSessions& undecided)
    : socket_(std::move(connection.socket)),
      ticket_(std::move(connection.ticket)),
      services_(services),
      undecided_(undecided),
      received_(kMaxHeaderBytes) {}

HttpSession::~HttpSession() {
  set_undecided(false);
}

void HttpSession::set_undecided(bool undecided) {
  if (undecided && !place_) place_ = undecided_.insert(undecided_.end(), this);
  if (!undecided && place_) undecided_.erase(*std::exchange(place_, std::nullopt));
}

void HttpSession::evict() {
  services_.counters.refuse(Refusal::evicted);
  set_undecided(false);
  ticket_.reset();
  error_code ignored;
  socket_.next_layer().socket().close(ignored);
}

void HttpSession::run() {
  set_undecided(true);
#ifdef FRAMERING_TLS
  if (socket_.encrypted()) {
    socket_.next_layer().expires_after(kRequestLimit);
    return socket_.async_handshake([self = shared_from_this()](error_code error) {
      if (!error) return self->read_request();
      if (self->place_) self->services_.counters.refuse(Refusal::tls);
    });
  }
#endif
  read_request();
}

void HttpSession::read_request() {
  set_undecided(true);
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(0);
  socket_.next_layer().expires_after(kRequestLimit);
  http::async_read(socket_, received_, *parser_,
                   [self = shared_from_this()](error_code error, std::size_t) {
                     if (!self->place_) return;  // evicted
                     self->set_undecided(false);
                     if (error) return self->read_failed(error);
                     self->handle_request();
                   });
}

void HttpSession::read_failed(error_code error) {
  Counters& counters = services_.counters;
  if (error == boost::beast::error::timeout) {
    // Between two requests silence is nobody's fault.
    if (parser_->got_some() || received_.size() != 0) counters.refuse(Refusal::slow_request);
    return;
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    counters.refuse(Refusal::header_too_large);
    return refuse(Status::request_header_fields_too_large,
                  "the request's header is longer than 8192 bytes");
  }
  const error_code end = http::error::end_of_stream;
  if (error == end || error.category() != end.category()) return;  // gone: nobody to tell
  counters.refuse(Refusal::bad_request);
  if (error == http::error::body_limit || error == http::error::unexpected_body)
    return refuse(Status::payload_too_large, "no request here has a body: send none");
  refuse(Status::bad_request, "no HTTP request: " + error.message());
}

void HttpSession::handle_request() {
  socket_.next_layer().expires_after(kResponseLimit);
  if (!services_.admission.may_ask(*ticket_, Admission::Clock::now())) {
    services_.counters.refuse(Refusal::too_fast);
    return refuse(Status::too_many_requests, "too many requests from this address: wait a moment");
  }
  const Request& request = parser_->get();
  if (request.method() != http::verb::get && request.method() != http::verb::head)
    return refuse(Status::method_not_allowed, "only GET and HEAD are served");
  const auto target = parse_request_target(view(request.target()));
  if (!target) {
    services_.counters.refuse(Refusal::bad_request);
    return refuse(Status::bad_request,
                  "the address is not /path?key=value, or a %-escape is broken");
  }
  ++services_.counters.requests;
  if (is_welcome(*target)) route(*target);
}

bool HttpSession::is_welcome(const RequestTarget& target) {
  // Whether this process lives is no secret, and a supervisor has no token.
  if (target.path == "/healthz") return true;
  const bool comes_with_token = target.path == "/login" && services_.access.wants_token();
  const Request& request = parser_->get();
  const Credentials credentials{.host = view(request[http::field::host]),
                                .origin = view(request[http::field::origin]),
                                .authorization = view(request[http::field::authorization]),
                                .cookies = view(request[http::field::cookie])};
  const std::optional<Refusal> refusal = services_.access.judge(
      credentials, boost::beast::websocket::is_upgrade(request), unix_seconds());
  if (!refusal || (comes_with_token && *refusal == Refusal::no_token)) return true;
  services_.counters.refuse(*refusal);
  if (*refusal == Refusal::no_token) {
    refuse(Status::unauthorized,
           "no valid token: send 'Authorization: Bearer TOKEN', or open /login?token=TOKEN once "
           "in the browser");
  } else if (*refusal == Refusal::foreign_origin) {
    refuse(Status::forbidden,
           "a page of another site may not connect (its Origin is not this Host); see "
           "--allow-origin");
  } else {
    refuse(Status::forbidden,
           "this server does not go by that name (Host); use its address, or see --host-name");
  }
  return false;
}

Connection HttpSession::hand_over() {
  error_code ignored;
  auto& socket = socket_.next_layer().socket();
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(
      boost::asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>(kMaxUnsentBytes),
      ignored);
  return {std::move(socket_), std::move(*ticket_)};
}

void HttpSession::refuse(Status status, const std::string& sentence) {
  answer(status, kText, sentence + "\n");
}

void HttpSession::answer(Status status, std::string_view content_type, std::string body) {
  send(response_of(status, content_type, std::move(body)));
}

HttpSession::Response HttpSession::response_of(Status status, std::string_view content_type,
                                               std::string body) const {
  const bool readable =
      parser_->is_header_done();  // else nobody knows where the next request begins
  Response response(status, 11);
  response.set(http::field::content_type, {content_type.data(), content_type.size()});
  response.set(http::field::cache_control, "no-cache");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Content-Security-Policy",
               content_security_policy(view(parser_->get()[http::field::host])));
  if (status == Status::method_not_allowed) response.set(http::field::allow, "GET, HEAD");
  if (status == Status::upgrade_required) response.set(http::field::upgrade, "websocket");
  if (status == Status::unauthorized) response.set(http::field::www_authenticate, "Bearer");
  if (status == Status::too_many_requests) response.set(http::field::retry_after, "1");
  response.keep_alive(readable && parser_->get().keep_alive() && status != Status::bad_request &&
                      status != Status::payload_too_large);
  response.content_length(body.size());
  if (!readable || parser_->get().method() != http::verb::head) response.body() = std::move(body);
  return response;
}

void HttpSession::send(Response response) {
  response_ = std::move(response);
  socket_.next_layer().expires_after(kResponseLimit);
  http::async_write(socket_, response_, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return;
    if (self->response_.keep_alive()) return self->read_request();
    self->end();
  });
}

void HttpSession::end() {
  error_code ignored;
  socket_.next_layer().socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace framering::websocket
