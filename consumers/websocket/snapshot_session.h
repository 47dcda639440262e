// SPDX-License-Identifier: Apache-2.0
//
// One GET /snapshot: the next picture of an MJPEG stream, as a JPEG.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "stream_hub.h"

namespace framering::websocket {

// Waits for a picture that is not older than the request. A stream that stands still (its source
// has ended) gives its last one after a while; one that has none gives the reason.
class SnapshotSession final : public std::enable_shared_from_this<SnapshotSession>, private Viewer {
 public:
  // One of both: a picture, or why there is none.
  using Handler = std::function<void(const SharedFrame& picture, const std::string& failure)>;

  SnapshotSession(const boost::asio::any_io_executor& executor, Handler done);
  // Throws as StreamHub::subscribe. `done` is called once, from the event loop, later.
  void run(StreamHub& hub, const std::string& stream);

 private:
  void on_frame(const SharedFrame& frame) override;
  void on_state(const FeedState& state) override;
  [[nodiscard]] bool is_fresh(const EncodedFrame& frame) const noexcept;
  void finish_soon();
  void finish();

  const Handler done_;
  Subscription subscription_;
  boost::asio::steady_timer time_limit_;
  SharedFrame newest_;
  std::uint64_t asked_at_ns_ = 0;  // CLOCK_MONOTONIC
  bool finishing_ = false;
};

}  // namespace framering::websocket
