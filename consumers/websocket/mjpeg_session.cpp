// SPDX-License-Identifier: Apache-2.0
#include "mjpeg_session.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <string_view>
#include <utility>

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

MjpegSession::MjpegSession(Connection connection, StreamHub& hub, std::string stream)
    : socket_(std::move(connection.stream)),
      ticket_(std::move(connection.ticket)),
      hub_(hub),
      stream_(std::move(stream)),
      watchdog_(socket_.get_executor(), kWriteLimit, [this] { abandon(); }) {}

void MjpegSession::run() {
  try {
    subscription_ = hub_.subscribe(stream_, *this, Wish::frames);
  } catch (const std::exception&) {
    return abandon();
  }
  socket_.expires_never();
  watch_for_end();
  if (const auto start = subscription_->newcomer_start(); !start.empty()) newest_ = start.back();
  on_state(subscription_->state());
  write_next();
}

void MjpegSession::on_frame(const SharedFrame& frame) {
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

void MjpegSession::write_next() {
  if (writing_ || abandoned_) return;
  if (newest_ == nullptr && begun_) return;
  head_ = begun_ ? std::string{} : std::string{kResponse};
  begun_ = true;
  std::array<asio::const_buffer, 3> buffers{};
  written_ = std::exchange(newest_, nullptr);
  if (written_ != nullptr) {
    head_ +=
        "Content-Type: image/jpeg\r\nContent-Length: " + std::to_string(written_->bytes.size()) +
        "\r\n\r\n";
    buffers[1] = asio::buffer(written_->bytes);
    buffers[2] = asio::buffer(kAfterPicture);
  }
  buffers[0] = asio::buffer(head_);

  writing_ = true;
  watchdog_.write_begins(weak_from_this());
  asio::async_write(socket_, buffers, [self = shared_from_this()](error_code error, std::size_t) {
    self->writing_ = false;
    self->watchdog_.write_ends();
    if (error) return self->abandon();
    self->write_next();
  });
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
  socket_.socket().close(ignored);
  subscription_.reset();
}

}  // namespace framering::websocket
