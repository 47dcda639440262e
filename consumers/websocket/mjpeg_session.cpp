// SPDX-License-Identifier: Apache-2.0
#include "mjpeg_session.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <string_view>
#include <utility>

#include "ring/clock.h"
#include "status_json.h"

namespace framering::websocket {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// A JPEG of 300 KB over a line of 1 Mbit/s takes 2.4 s, and such a viewer is welcome.
constexpr std::chrono::seconds kWriteLimit{10};

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
    "Cache-Control: no-cache, no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n"
    "\r\n"
    "--frame\r\n";
constexpr std::string_view kAfterPicture = "\r\n--frame\r\n";

}  // namespace

MjpegSession::MjpegSession(Connection connection, Services services, MjpegWish wish)
    : socket_(std::move(connection.socket)),
      ticket_(std::move(connection.ticket)),
      services_(services),
      wish_(std::move(wish)),
      log_(services.counters, Way::mjpeg, wish_.stream, ticket_.address()),
      watchdog_(socket_.get_executor(), kWriteLimit, [this] {
        log_.refuse(Refusal::stuck);
        abandon();
      }) {
  if (!wish_.ustreamer) return;
  client_.options = *wish_.ustreamer;
  client_id_ = services_.ustreamer.add(client_);
}

MjpegSession::~MjpegSession() {
  if (client_id_ != 0) services_.ustreamer.remove(client_id_);
}

void MjpegSession::run() {
  try {
    subscription_ = services_.hub.subscribe(wish_.stream, *this, Wish::frames);
  } catch (const std::exception&) {
    return abandon();
  }
  socket_.next_layer().expires_never();
  watch_for_end();
  const auto start = subscription_->newcomer_start(Wish::frames);
  if (!start.empty()) newest_ = start.back();
  on_state(subscription_->state());
  write_next();
}

void MjpegSession::on_frame(const SharedFrame& frame) {
  if (newest_ != nullptr) {
    log_.dropped(1);
    ++replaced_;
  }
  newest_ = frame;
  write_next();
}

void MjpegSession::on_state(const FeedState& state) {
  const bool wrong = state.codec != 0 && state.codec != kCodecMjpeg;
  if (wrong || !state.refusal.empty()) {
    // Not from in here: a feed that calls its viewers must not lose one meanwhile.
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->abandon(); });
  }
}

ViewerLoad MjpegSession::load() {
  return {.frames = std::exchange(replaced_, 0),
          .bytes = newest_ ? static_cast<std::uint32_t>(newest_->bytes.size()) : 0,
          .kbps = 0};
}

void MjpegSession::write_next() {
  if (writing_ || abandoned_) return;
  if (newest_ == nullptr && begun_) return;
  head_ = begun_ ? std::string{} : response();
  begun_ = true;
  PeerSocket::Pieces pieces{};
  written_ = std::exchange(newest_, nullptr);
  if (written_ != nullptr) {
    head_ += head_of(*written_);
    if (!client_.options.zero_data) pieces[1] = asio::buffer(written_->bytes);
    pieces[2] = asio::buffer(tail_);
    log_.sent(written_->bytes.size());
  }
  pieces[0] = asio::buffer(head_);

  if (socket_.write_now(pieces)) {
    written_ = nullptr;
    return;
  }
  writing_ = true;
  watchdog_.write_begins(weak_from_this());
  socket_.write_later(pieces, [self = shared_from_this()](error_code error, std::size_t) {
    self->writing_ = false;
    self->written_ = nullptr;
    self->watchdog_.write_ends();
    if (error) return self->abandon();
    self->write_next();
  });
}

std::string MjpegSession::response() const {
  if (!wish_.ustreamer) return std::string(kResponse);
  return ustreamer_response(client_.options, client_id_) +
         (client_.options.advance_headers ? ustreamer_advance_part() : "");
}

// A part's header; sets what follows the picture as well.
std::string MjpegSession::head_of(const EncodedFrame& picture) {
  const std::uint64_t now_ns = monotonic_ns();
  if (!wish_.ustreamer) {
    tail_ = kAfterPicture;
    std::string head =
        "Content-Type: image/jpeg\r\nContent-Length: " + std::to_string(picture.bytes.size()) +
        "\r\n";
    if (wish_.timing)
      head += "X-Framering-Timing: " + timing_json(picture, now_ns, log_.frames_dropped()) + "\r\n";
    return head + "\r\n";
  }
  client_.count(now_ns);
  tail_ = kUstreamerBoundary;
  if (!client_.options.advance_headers) return ustreamer_part(client_, picture, now_ns);
  tail_ += ustreamer_advance_part();
  return {};  // went with the former part
}

void MjpegSession::watch_for_end() {
  socket_.async_read_some(asio::buffer(ignored_),
                          [self = shared_from_this()](error_code error, std::size_t) {
                            if (error) return self->abandon();
                            self->watch_for_end();
                          });
}

void MjpegSession::abandon() {
  if (std::exchange(abandoned_, true)) return;
  watchdog_.cancel();
  error_code ignored;
  socket_.next_layer().socket().close(ignored);
  subscription_.reset();
}

}  // namespace framering::websocket
