// SPDX-License-Identifier: Apache-2.0
#include "http_session.h"

#include <algorithm>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <string_view>
#include <utility>

#include "page_files.h"
#include "unix_time.h"

namespace framering::webrtc {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint32_t kMaxHeaderBytes = 8192;
constexpr std::chrono::seconds kRequestLimit{15};
constexpr std::chrono::seconds kResponseLimit{15};
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kSdp = "application/sdp";
constexpr std::string_view kFragment = "application/trickle-ice-sdpfrag";
constexpr std::string_view kStreams = "/whep/", kSessions = "/session/";

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}
boost::beast::string_view beast(std::string_view text) {
  return {text.data(), text.size()};
}

// "host" of "host:port", "[::1]:port" and "scheme://host:port".
std::string_view host_of(std::string_view text) {
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos)
    text.remove_prefix(scheme + 3);
  const std::size_t colon = text.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
  return has_port ? text.substr(0, colon) : text;
}

}  // namespace

HttpSession::HttpSession(boost::asio::ip::tcp::socket socket, websocket::ConnectionTicket ticket,
                         const Services& services, UndecidedSessions& undecided)
    : stream_(std::move(socket)),
      ticket_(std::move(ticket)),
      services_(services),
      undecided_(undecided),
      received_(kMaxHeaderBytes + kMaxSdpBytes) {}

void HttpSession::set_undecided(bool undecided) {
  if (undecided && !place_) place_ = undecided_.insert(undecided_.end(), this);
  if (!undecided && place_) undecided_.erase(*std::exchange(place_, std::nullopt));
}

void HttpSession::evict() {
  set_undecided(false);
  ticket_.reset();
  error_code ignored;
  stream_.socket().close(ignored);
}

void HttpSession::read_request() {
  set_undecided(true);
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(kMaxSdpBytes);
  stream_.expires_after(kRequestLimit);
  http::async_read(stream_, received_, *parser_,
                   [self = shared_from_this()](error_code error, std::size_t) {
                     if (!self->ticket_) return;
                     self->set_undecided(false);
                     if (error) return self->read_failed(error);
                     self->handle_request();
                   });
}

void HttpSession::read_failed(error_code error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return refuse(Status::request_header_fields_too_large, "the request's header is too long");
  if (error == http::error::body_limit)
    return refuse(Status::payload_too_large, "no session description is longer than 64 KiB");
  const error_code end = http::error::end_of_stream;
  if (error == end || error == http::error::partial_message || error.category() != end.category())
    return;  // gone: nobody to tell
  refuse(Status::bad_request, "no HTTP request: " + error.message());
}

void HttpSession::handle_request() {
  if (!services_.admission.may_ask(*ticket_, websocket::Admission::Clock::now()))
    return refuse(Status::too_many_requests, "too many requests from this address: wait a moment");
  const auto target = websocket::parse_request_target(view(parser_->get().target()));
  if (!target)
    return refuse(Status::bad_request, "the address is not /path, or a %-escape is broken");
  if (is_welcome(*target)) route(*target);
}

bool HttpSession::is_welcome(const websocket::RequestTarget& target) {
  // Whether this process lives is no secret, and a supervisor has no token.
  if (target.path == "/healthz") return true;
  const auto& request = parser_->get();
  // A preflight carries no token, and tells nothing.
  const bool preflight = request.method() == http::verb::options;
  const websocket::Credentials credentials{
      .host = view(request[http::field::host]),
      .origin = {},
      .authorization = view(request[http::field::authorization]),
      .cookies = {}};
  const auto refusal = services_.access.judge(credentials, false, websocket::unix_seconds());
  if (refusal == websocket::Refusal::unknown_host) {
    refuse(Status::forbidden,
           "this server does not go by that name (Host); use its address, or see --host-name");
    return false;
  }
  may_watch_ = !refusal;
  if (!may_watch_ && !preflight) {
    refuse(Status::unauthorized, "no valid token: send 'Authorization: Bearer TOKEN'");
    return false;
  }
  if (!is_welcome_origin()) {
    refuse(Status::forbidden, "a page of another site may not connect; see --allow-origin");
    return false;
  }
  return true;
}

// A page of this host, whichever port it came from (the viewer page has one of its own), or of a
// site that the operator named.
bool HttpSession::is_welcome_origin() const {
  const auto& request = parser_->get();
  const std::string_view origin = view(request[http::field::origin]);
  if (origin.empty() || host_of(origin) == host_of(view(request[http::field::host]))) return true;
  return std::any_of(services_.origins.begin(), services_.origins.end(),
                     [&](const std::string& one) { return one == origin || one == "*"; });
}

void HttpSession::route(const websocket::RequestTarget& target) {
  const http::verb method = parser_->get().method();
  if (target.path.starts_with(kStreams) && target.path.size() > kStreams.size())
    return serve_stream(target.path.substr(kStreams.size()));
  if (target.path.starts_with(kSessions))
    return serve_session(target.path.substr(kSessions.size()));
  if (method != http::verb::get && method != http::verb::head) return allow_only("GET, HEAD");
  if (const websocket::PageFile* file = websocket::find_page_file(target.path))
    return send(response_of(Status::ok, file->content_type, std::string(file->bytes)));
  if (target.path == "/healthz")
    return send(response_of(
        Status::ok, "application/json",
        "{\"status\":\"ok\",\"viewers\":" + std::to_string(services_.sessions.count()) + "}\n"));
  refuse(Status::not_found, "nothing is here; there are / /whep/STREAM /session/ID /healthz");
}

void HttpSession::serve_stream(const std::string& stream) {
  switch (parser_->get().method()) {
    case http::verb::options: {
      Response response = response_of(Status::no_content, {}, {});
      response.set("Access-Control-Allow-Methods", "POST, OPTIONS");
      response.set("Accept-Post", beast(kSdp));
      // A TURN server's password is for those who may watch (RFC 9725, 4.6).
      if (may_watch_ && !services_.ice_links.empty())
        response.set(http::field::link, services_.ice_links);
      return send(std::move(response));
    }
    case http::verb::post:
      return begin_session(stream);
    default:
      return allow_only("POST, OPTIONS");
  }
}

void HttpSession::begin_session(const std::string& stream) {
  if (!has_type(kSdp))
    return refuse(Status::unsupported_media_type, "an offer in application/sdp is wanted");
  stream_.expires_never();  // the session has limits of its own
  services_.sessions.begin(
      stream, parser_->get().body(),
      [self = shared_from_this()](const WhepAnswer& answer, const std::string& id) {
        const auto status = static_cast<Status>(answer.status);
        if (status != Status::created) return self->refuse(status, answer.body);
        Response response = self->response_of(status, kSdp, answer.body);
        response.set(http::field::location, std::string(kSessions) + id);
        if (const WhepSession* session = self->services_.sessions.find(id))
          response.set(http::field::etag, session->etag());
        response.set("Accept-Patch", beast(kFragment));
        if (!self->services_.ice_links.empty())
          response.set(http::field::link, self->services_.ice_links);
        self->send(std::move(response));
      });
}

void HttpSession::serve_session(const std::string& id) {
  const http::verb method = parser_->get().method();
  if (method == http::verb::options) {
    Response response = response_of(Status::no_content, {}, {});
    response.set("Access-Control-Allow-Methods", "PATCH, DELETE, OPTIONS");
    response.set("Accept-Patch", beast(kFragment));
    return send(std::move(response));
  }
  if (method != http::verb::patch && method != http::verb::delete_)
    return allow_only("PATCH, DELETE, OPTIONS");
  WhepSession* const session = services_.sessions.find(id);
  if (session == nullptr) return refuse(Status::not_found, "there is no such session (any more)");
  if (method == http::verb::patch) return patch_session(*session);
  services_.sessions.end(id);
  send(response_of(Status::ok, {}, {}));
}

// RFC 9725, 4.3: candidates of the same ICE session. An ICE restart is not done: a viewer whose
// network changed begins anew.
void HttpSession::patch_session(WhepSession& session) {
  const auto& request = parser_->get();
  if (!has_type(kFragment))
    return refuse(Status::unsupported_media_type, "application/trickle-ice-sdpfrag is wanted");
  const std::string_view match = view(request[http::field::if_match]);
  if (match.empty())
    return refuse(Status::precondition_required, "If-Match with the session's ETag is wanted");
  try {
    const SdpFragment fragment = parse_fragment(request.body());
    if (match == "*" ||
        (!fragment.ice_ufrag.empty() && fragment.ice_ufrag != session.offer().ice_ufrag))
      return refuse(Status::unprocessable_entity, "ICE restarts are not done here: POST anew");
    if (match != session.etag())
      return refuse(Status::precondition_failed, "If-Match is not this session's ETag");
    for (const std::string& candidate : fragment.candidates) {
      if (!session.add_candidate(candidate))
        return refuse(Status::too_many_requests, "this session has enough candidates");
    }
  } catch (const SdpError& error) {
    return refuse(Status::bad_request, error.what());
  }
  send(response_of(Status::no_content, {}, {}));
}

// With or without parameters (";charset=...").
bool HttpSession::has_type(std::string_view type) const {
  std::string_view given = view(parser_->get()[http::field::content_type]);
  given = given.substr(0, given.find(';'));
  while (given.ends_with(' ')) given.remove_suffix(1);
  return boost::beast::iequals(beast(given), beast(type));
}

void HttpSession::refuse(Status status, const std::string& sentence) {
  send(response_of(status, kText, sentence + "\n"));
}

void HttpSession::allow_only(std::string_view methods) {
  Response response = response_of(Status::method_not_allowed, kText,
                                  "only these are served here: " + std::string(methods) + "\n");
  response.set(http::field::allow, beast(methods));
  send(std::move(response));
}

HttpSession::Response HttpSession::response_of(Status status, std::string_view content_type,
                                               std::string body) const {
  const auto& request = parser_->get();
  const bool readable = parser_->is_done();  // else nobody knows where the next request begins
  Response response(status, 11);
  if (!content_type.empty()) response.set(http::field::content_type, beast(content_type));
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  response.set(http::field::vary, "Origin");
  if (readable && is_welcome_origin() && !request[http::field::origin].empty()) {
    response.set(http::field::access_control_allow_origin, request[http::field::origin]);
    response.set(http::field::access_control_allow_headers,
                 "Content-Type, Authorization, If-Match");
    response.set(http::field::access_control_expose_headers, "Location, ETag, Link, Accept-Patch");
  }
  if (status == Status::unauthorized) response.set(http::field::www_authenticate, "Bearer");
  if (status == Status::too_many_requests || status == Status::service_unavailable)
    response.set(http::field::retry_after, "1");
  response.keep_alive(readable && request.keep_alive() && status != Status::bad_request &&
                      status != Status::payload_too_large);
  if (status != Status::no_content) response.content_length(body.size());
  if (!readable || request.method() != http::verb::head) response.body() = std::move(body);
  return response;
}

void HttpSession::send(Response response) {
  response_ = std::move(response);
  stream_.expires_after(kResponseLimit);
  http::async_write(stream_, response_, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return;
    if (self->response_.keep_alive()) return self->read_request();
    error_code ignored;
    self->stream_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  });
}

std::string ice_links(const IceSettings& ice) {
  // "stun://host:port" is GStreamer's spelling, "stun:host:port" everybody else's (RFC 7064, 7065).
  const auto link = [](const std::string& uri, std::string& user, std::string& password) {
    const std::size_t scheme = uri.find("://");
    std::string rest = uri.substr(scheme + 3);
    if (const std::size_t at = rest.rfind('@'); at != std::string::npos) {
      const std::string who = rest.substr(0, at);
      const std::size_t colon = std::min(who.find(':'), who.size());
      user = who.substr(0, colon);
      password = who.substr(std::min(colon + 1, who.size()));
      rest = rest.substr(at + 1);
    }
    return "<" + uri.substr(0, scheme) + ":" + rest + ">; rel=\"ice-server\"";
  };
  std::string links, user, password;
  if (!ice.stun.empty()) links = link(ice.stun, user, password);
  if (!ice.turn.empty()) {
    if (!links.empty()) links += ", ";
    links += link(ice.turn, user, password) + "; username=\"" + user + "\"; credential=\"" +
             password + "\"; credential-type=\"password\"";
  }
  return links;
}

}  // namespace framering::webrtc
