// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "stream_feed.h"

namespace framering::websocket {

// The feeds that are in use, by stream name. A feed is made for its first viewer and dropped a
// moment after its last, so that an encoder nobody watches can rest.
class StreamHub {
 public:
  static constexpr std::size_t kMaxFeeds = 16;  // streams watched at once; the broker's own limit

  struct Full : std::runtime_error {
    using runtime_error::runtime_error;
  };

  StreamHub(boost::asio::io_context& io, std::string socket_dir, BacklogPolicy policy);
  ~StreamHub();
  StreamHub(const StreamHub&) = delete;
  StreamHub& operator=(const StreamHub&) = delete;

  // Makes the feed if there is none, so that what is wrong is known before a viewer is accepted.
  // The stream need not exist yet: its state says so. Throws Full, or std::invalid_argument (name).
  void open(const std::string& stream) { static_cast<void>(feed_of(stream)); }
  // Opens as well.
  [[nodiscard]] Subscription subscribe(const std::string& stream, Viewer& viewer, Wish wish);

  // To all viewers, before this process ends.
  void say_goodbye();

  [[nodiscard]] const std::map<std::string, std::shared_ptr<StreamFeed>>& feeds() const noexcept {
    return feeds_;
  }

 private:
  [[nodiscard]] std::shared_ptr<StreamFeed> feed_of(const std::string& stream);

  boost::asio::io_context& io_;
  const std::string socket_dir_;
  const BacklogPolicy policy_;
  std::map<std::string, std::shared_ptr<StreamFeed>> feeds_;
};

}  // namespace framering::websocket
