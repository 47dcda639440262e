// SPDX-License-Identifier: Apache-2.0
#include "stream_hub.h"

namespace framering::websocket {

StreamHub::StreamHub(boost::asio::io_context& io, std::string socket_dir, BacklogPolicy policy)
    : io_(io), socket_dir_(std::move(socket_dir)), policy_(policy) {}

StreamHub::~StreamHub() {
  for (const auto& [name, feed] : feeds_) feed->stop();
}

void StreamHub::say_goodbye() {
  for (const auto& [name, feed] : feeds_) feed->say_goodbye();
}

Subscription StreamHub::subscribe(const std::string& stream, Viewer& viewer, Wish wish) {
  return feed_of(stream)->subscribe(viewer, wish);
}

std::shared_ptr<StreamFeed> StreamHub::feed_of(const std::string& stream) {
  if (const auto found = feeds_.find(stream); found != feeds_.end()) {
    if (found->second->state().refusal.empty()) return found->second;
    feeds_.erase(
        found);  // a refusal is final for that feed, but the broker's rules may have changed
  }
  if (feeds_.size() >= kMaxFeeds)
    throw Full(std::to_string(kMaxFeeds) +
               " streams are being watched already, which is the limit");

  const auto forget = [this](const StreamFeed& old) {
    const auto found = feeds_.find(old.stream());
    if (found != feeds_.end() && found->second.get() == &old) feeds_.erase(found);
  };
  auto feed = std::make_shared<StreamFeed>(io_, socket_dir_, stream, policy_, forget);
  feeds_.emplace(stream, feed);
  feed->start();
  return feed;
}

}  // namespace framering::websocket
