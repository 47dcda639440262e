// SPDX-License-Identifier: Apache-2.0
//
// What each address of README.md gives.
#include <algorithm>
#include <boost/beast/websocket/rfc6455.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "frame_session.h"
#include "http_session.h"
#include "mjpeg_session.h"
#include "page_files.h"
#include "snapshot_session.h"
#include "state_session.h"
#include "status_json.h"
#include "unix_time.h"
#ifdef FRAMERING_METRICS
#include "metrics.h"
#endif

namespace framering::websocket {

namespace {

namespace http = boost::beast::http;

constexpr std::string_view kJson = "application/json";

bool is_any(std::uint32_t) {
  return true;
}
bool is_mjpeg(std::uint32_t codec) {
  return codec == kCodecMjpeg;
}
bool is_h264(std::uint32_t codec) {
  return codec == kCodecH264;
}

bool wants_timing(const RequestTarget& target) {
  const std::string* const timing = target.query("timing");
  return timing != nullptr && *timing == "1";
}

}  // namespace

void HttpSession::route(const RequestTarget& target) {
  if (const PageFile* file = find_page_file(target.path))
    return answer(Status::ok, file->content_type, std::string(file->bytes));
  if (target.path == "/healthz") return serve_health();
  if (target.path == "/metrics") return serve_metrics();
  if (target.path == "/login") return serve_login(target);
  if (target.path == "/state") return serve_ustreamer_state(target);
  if (target.path == "/api/streams") return serve_streams();
  if (target.path == "/api/state") return serve_state(target);
  if (target.path == "/api/stream/h264/direct") return serve_frames(target, Wish::frames);
  if (target.path == "/api/stream/mp4") return serve_frames(target, Wish::fragments);
  if (parser_->get().method() == http::verb::head)
    return refuse(Status::method_not_allowed, "streams and snapshots are served to GET only");
  if (target.path == "/api/stream/mjpeg") return serve_mjpeg(target, false);
  if (target.path == "/stream") return serve_mjpeg(target, true);
  if (target.path == "/snapshot") return serve_snapshot(target);
  refuse(Status::not_found,
         "nothing is here; there are / /api/streams /api/state /api/stream/h264/direct "
         "/api/stream/mp4 /api/stream/mjpeg /stream /snapshot /state /login /healthz /metrics");
}

void HttpSession::serve_health() {
  const nlohmann::ordered_json health = {{"status", "ok"},
                                         {"connections", services_.admission.open()},
                                         {"streams", services_.hub.feeds().size()}};
  answer(Status::ok, kJson, health.dump() + "\n");
}

void HttpSession::serve_metrics() {
#ifdef FRAMERING_METRICS
  answer(Status::ok, "text/plain; version=0.0.4; charset=utf-8", metrics_text(services_));
#else
  refuse(Status::not_implemented, "this server was built without metrics (prometheus-cpp)");
#endif
}

// A browser cannot be told to send a header: the token becomes a cookie, which no script and no
// other site gets to use.
void HttpSession::serve_login(const RequestTarget& target) {
  const std::string* const token = target.query("token");
  if (token == nullptr || !services_.access.is_token(*token, unix_seconds())) {
    services_.counters.refuse(Refusal::no_token);
    return refuse(Status::unauthorized, "this is no valid token: /login?token=TOKEN");
  }
  Response response = response_of(Status::see_other, "text/plain", "");
  response.set(http::field::location, "/");
  // Its letters are those of a token (is_token), so it cannot end the header.
  response.set(http::field::set_cookie, "framering-token=" + *token +
                                            "; Path=/; HttpOnly; SameSite=Strict" +
                                            (socket_.encrypted() ? "; Secure" : ""));
  send(std::move(response));
}

void HttpSession::serve_streams() {
  services_.directory.list([self = shared_from_this()](const StreamDirectory::Answer& list) {
    self->answer(list.error.empty() ? Status::ok : Status::service_unavailable, kJson,
                 streams_json(list, self->services_.whep) + "\n");
  });
}

void HttpSession::serve_frames(const RequestTarget& target, Wish form) {
  if (!is_page_upgrade()) return;
#ifndef FRAMERING_MP4
  if (form == Wish::fragments)
    return refuse(Status::not_implemented, "this server was built without MP4 (libavformat)");
#endif
  FrameWish wish;
  wish.form = form;
  if (const std::string* flow = target.query("flow")) {
    const auto number = parse_number(*flow);
    if (!number) return refuse(Status::bad_request, "flow is a number of frames: ?flow=8");
    wish.window = *number;
  }
  wish.timing = wants_timing(target);
  with_stream(target, is_h264, "H.264",
              [self = shared_from_this(), wish](std::string stream) mutable {
                wish.stream = std::move(stream);
                std::make_shared<FrameSession>(self->hand_over(), self->services_, std::move(wish))
                    ->run(self->parser_->get());
              });
}

void HttpSession::serve_state(const RequestTarget& target) {
  if (!is_page_upgrade()) return;
  with_stream(target, is_any, "video", [self = shared_from_this()](const std::string& stream) {
    std::make_shared<StateSession>(self->hand_over(), self->services_, stream)
        ->run(self->parser_->get());
  });
}

void HttpSession::serve_mjpeg(const RequestTarget& target, bool as_ustreamer) {
  MjpegWish wish;
  if (as_ustreamer) wish.ustreamer = parse_ustreamer_options(target);
  wish.timing = wants_timing(target);
  with_stream(
      target, is_mjpeg, "MJPEG", [self = shared_from_this(), wish](std::string stream) mutable {
        wish.stream = std::move(stream);
        std::make_shared<MjpegSession>(self->hand_over(), self->services_, std::move(wish))->run();
      });
}

void HttpSession::serve_snapshot(const RequestTarget& target) {
  with_stream(target, is_mjpeg, "MJPEG", [self = shared_from_this()](const std::string& stream) {
    const auto done = [self](const SharedFrame& picture, const std::string& failure) {
      if (picture == nullptr) return self->refuse(Status::service_unavailable, failure);
      const auto* const bytes = reinterpret_cast<const char*>(picture->bytes.data());
      Response response =
          self->response_of(Status::ok, "image/jpeg", std::string(bytes, picture->bytes.size()));
      response.set(http::field::cache_control, "no-store, no-cache, must-revalidate, max-age=0");
      response.set("X-Timestamp", wall_clock_text());
      response.set("X-UStreamer-Online", "true");
      response.set("X-UStreamer-Width", std::to_string(picture->width));
      response.set("X-UStreamer-Height", std::to_string(picture->height));
      self->send(std::move(response));
    };
    try {
      std::make_shared<SnapshotSession>(self->socket_.get_executor(), done)
          ->run(self->services_.hub, stream);
    } catch (const std::exception& error) {
      self->refuse(Status::service_unavailable, error.what());
    }
  });
}

void HttpSession::serve_ustreamer_state(const RequestTarget& target) {
  with_stream(target, is_mjpeg, "MJPEG", [self = shared_from_this()](const std::string& stream) {
    self->services_.directory.list([self, stream](StreamDirectory::Answer list) {
      // Who reads the stream knows its size before the broker does.
      const auto feed = self->services_.hub.feeds().find(stream);
      for (StreamInfo& info : list.streams) {
        if (info.name != stream || feed == self->services_.hub.feeds().end()) continue;
        if (info.width == 0) info.width = feed->second->state().width;
        if (info.height == 0) info.height = feed->second->state().height;
      }
      self->answer(Status::ok, kJson,
                   ustreamer_state_json(stream, list, self->services_.ustreamer) + "\n");
    });
  });
}

void HttpSession::with_stream(const RequestTarget& target, Fits fits, const char* kind,
                              std::function<void(std::string)> found) {
  const std::string* named = target.query("stream");
  services_.directory.list(
      [self = shared_from_this(), fits, kind = std::string(kind), found = std::move(found),
       name = named != nullptr ? *named : std::string{}](const StreamDirectory::Answer& list) {
        const auto begin = list.streams.begin(), end = list.streams.end();
        if (name.empty()) {
          const auto first =
              std::find_if(begin, end, [&](const StreamInfo& info) { return fits(info.codec); });
          if (first != end) return found(first->name);
          const std::string why = list.error.empty() ? "no producer has one" : list.error;
          return self->refuse(Status::service_unavailable,
                              "there is no " + kind + " stream: " + why);
        }
        const auto listed =
            std::find_if(begin, end, [&](const StreamInfo& info) { return info.name == name; });
        if (listed != end && !fits(listed->codec))
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
  if (boost::beast::websocket::is_upgrade(parser_->get())) return true;
  refuse(Status::upgrade_required, "this address speaks WebSocket: connect with ws://");
  return false;
}

}  // namespace framering::websocket
