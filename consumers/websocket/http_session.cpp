// SPDX-License-Identifier: Apache-2.0
#include "http_session.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "direct_session.h"
#include "mjpeg_session.h"
#include "page_files.h"
#include "snapshot_session.h"
#include "state_session.h"
#include "status_json.h"

namespace framering::websocket {

namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint32_t kMaxHeaderBytes = 8192;
constexpr std::chrono::seconds kRequestLimit{15};   // idle time and all of the header
constexpr std::chrono::seconds kResponseLimit{15};  // a snapshot or a page on a slow line
// How much of a stream may wait in the kernel for a slow viewer: what waits there cannot be
// dropped.
constexpr int kMaxUnsentBytes = 128 << 10;

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

HttpSession::HttpSession(Connection connection, Services services)
    : socket_(std::move(connection.stream)),
      ticket_(std::move(connection.ticket)),
      services_(services),
      received_(kMaxHeaderBytes) {}

void HttpSession::run() {
  read_request();
}

void HttpSession::read_request() {
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(0);
  socket_.expires_after(kRequestLimit);
  http::async_read(
      socket_, received_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
        if (!error) return self->handle_request();
        if (error == http::error::header_limit || error == http::error::buffer_overflow)
          return self->refuse(Status::request_header_fields_too_large,
                              "the request's header is longer than 8192 bytes");
        if (error == http::error::body_limit || error == http::error::unexpected_body)
          return self->refuse(Status::payload_too_large, "no request here has a body: send none");
        const error_code end = http::error::end_of_stream;
        if (error != end && error.category() == end.category())
          return self->refuse(Status::bad_request, "no HTTP request: " + error.message());
        // Gone, or silent for too long: nobody to tell.
      });
}

void HttpSession::handle_request() {
  socket_.expires_after(kResponseLimit);
  const Request& request = parser_->get();
  if (request.method() != http::verb::get && request.method() != http::verb::head)
    return refuse(Status::method_not_allowed, "only GET and HEAD are served");
  const auto target = parse_request_target(view(request.target()));
  if (!target)
    return refuse(Status::bad_request,
                  "the address is not /path?key=value, or a %-escape is broken");
  route(*target);
}

void HttpSession::route(const RequestTarget& target) {
  if (const PageFile* file = find_page_file(target.path))
    return answer(Status::ok, file->content_type, std::string(file->bytes));
  if (target.path == "/healthz") return serve_health();
  if (target.path == "/api/streams") return serve_streams();
  if (target.path == "/api/state") return serve_state(target);
  if (target.path == "/api/stream/h264/direct") return serve_direct(target);
  if (parser_->get().method() == http::verb::head)
    return refuse(Status::method_not_allowed, "streams and snapshots are served to GET only");
  if (target.path == "/api/stream/mjpeg") return serve_mjpeg(target);
  if (target.path == "/snapshot") return serve_snapshot(target);
  refuse(Status::not_found,
         "nothing is here; there are / /api/streams /api/state /api/stream/h264/direct "
         "/api/stream/mjpeg /snapshot /healthz");
}

void HttpSession::serve_health() {
  const nlohmann::ordered_json health = {{"status", "ok"},
                                         {"connections", services_.connections.open()},
                                         {"streams", services_.hub.feed_count()}};
  answer(Status::ok, kJson, health.dump() + "\n");
}

void HttpSession::serve_streams() {
  services_.directory.list([self = shared_from_this()](const StreamDirectory::Answer& list) {
    self->answer(list.error.empty() ? Status::ok : Status::service_unavailable, kJson,
                 streams_json(list) + "\n");
  });
}

void HttpSession::serve_direct(const RequestTarget& target) {
  if (!is_page_upgrade()) return;
  std::uint32_t window = 0;
  if (const std::string* flow = target.query("flow")) {
    const auto number = parse_number(*flow);
    if (!number) return refuse(Status::bad_request, "flow is a number of frames: ?flow=8");
    window = *number;
  }
  with_stream(target, kCodecH264, [self = shared_from_this(), window](std::string stream) {
    std::make_shared<DirectSession>(self->hand_over(), self->services_.hub, std::move(stream),
                                    window)
        ->run(self->parser_->get());
  });
}

void HttpSession::serve_state(const RequestTarget& target) {
  if (!is_page_upgrade()) return;
  with_stream(target, 0, [self = shared_from_this()](std::string stream) {
    std::make_shared<StateSession>(self->hand_over(), self->services_.hub, std::move(stream))
        ->run(self->parser_->get());
  });
}

void HttpSession::serve_mjpeg(const RequestTarget& target) {
  with_stream(target, kCodecMjpeg, [self = shared_from_this()](std::string stream) {
    std::make_shared<MjpegSession>(self->hand_over(), self->services_.hub, std::move(stream))
        ->run();
  });
}

void HttpSession::serve_snapshot(const RequestTarget& target) {
  with_stream(target, kCodecMjpeg, [self = shared_from_this()](const std::string& stream) {
    const auto done = [self](const SharedFrame& picture, const std::string& failure) {
      if (picture == nullptr) return self->refuse(Status::service_unavailable, failure);
      const auto* const bytes = reinterpret_cast<const char*>(picture->bytes.data());
      self->answer(Status::ok, "image/jpeg", std::string(bytes, picture->bytes.size()));
    };
    try {
      std::make_shared<SnapshotSession>(self->socket_.get_executor(), done)
          ->run(self->services_.hub, stream);
    } catch (const std::exception& error) {
      self->refuse(Status::service_unavailable, error.what());
    }
  });
}

void HttpSession::with_stream(const RequestTarget& target, std::uint32_t codec,
                              std::function<void(std::string)> found) {
  const std::string* named = target.query("stream");
  services_.directory.list([self = shared_from_this(), codec, found = std::move(found),
                            name = named != nullptr ? *named : std::string{}](
                               const StreamDirectory::Answer& list) {
    const auto fits = [&](const StreamInfo& info) { return codec == 0 || info.codec == codec; };
    const std::string kind = codec == kCodecH264    ? "H.264"
                             : codec == kCodecMjpeg ? "MJPEG"
                                                    : "video";
    const auto begin = list.streams.begin(), end = list.streams.end();
    if (name.empty()) {
      const auto first = std::find_if(begin, end, fits);
      if (first != end) return found(first->name);
      const std::string why = list.error.empty() ? "no producer has one" : list.error;
      return self->refuse(Status::service_unavailable, "there is no " + kind + " stream: " + why);
    }
    const auto listed =
        std::find_if(begin, end, [&](const StreamInfo& info) { return info.name == name; });
    if (listed != end && !fits(*listed))
      return self->refuse(Status::conflict, name + " is no " + kind + " stream");
    // Listed or not: a broker that is away, or a producer that starts later, is waited for.
    try {
      self->services_.hub.open(name);
    } catch (const std::invalid_argument& error) {
      return self->refuse(Status::bad_request, error.what());
    } catch (const std::exception& error) {
      return self->refuse(Status::service_unavailable, error.what());
    }
    found(name);
  });
}

bool HttpSession::is_page_upgrade() {
  const Request& request = parser_->get();
  if (!boost::beast::websocket::is_upgrade(request)) {
    refuse(Status::upgrade_required, "this address speaks WebSocket: connect with ws://");
    return false;
  }
  if (!same_origin(view(request[http::field::origin]), view(request[http::field::host]))) {
    refuse(Status::forbidden,
           "a page of another site may not connect (its Origin is not this Host)");
    return false;
  }
  return true;
}

Connection HttpSession::hand_over() {
  error_code ignored;
  auto& socket = socket_.socket();
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
  const bool readable =
      parser_->is_header_done();  // else nobody knows where the next request begins
  Response response(status, 11);
  response.set(http::field::content_type, {content_type.data(), content_type.size()});
  response.set(http::field::cache_control, "no-cache");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Content-Security-Policy",
               "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'self'");
  if (status == Status::method_not_allowed) response.set(http::field::allow, "GET, HEAD");
  if (status == Status::upgrade_required) response.set(http::field::upgrade, "websocket");
  response.keep_alive(readable && parser_->get().keep_alive() && status != Status::bad_request &&
                      status != Status::payload_too_large);
  response.content_length(body.size());
  if (!readable || parser_->get().method() != http::verb::head) response.body() = std::move(body);
  send(std::move(response));
}

void HttpSession::send(Response response) {
  response_ = std::move(response);
  socket_.expires_after(kResponseLimit);
  http::async_write(socket_, response_, [self = shared_from_this()](error_code error, std::size_t) {
    if (error) return;
    if (self->response_.keep_alive()) return self->read_request();
    self->socket_.socket().shutdown(boost::asio::ip::tcp::socket::shutdown_send, error);
  });
}

}  // namespace framering::websocket
