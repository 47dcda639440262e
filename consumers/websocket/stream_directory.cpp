// SPDX-License-Identifier: Apache-2.0
#include "stream_directory.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace framering::websocket {

namespace {

constexpr std::chrono::milliseconds kFresh{250};
constexpr std::chrono::milliseconds kBrokerTimeLimit{2000};

StreamDirectory::Answer ask_broker(const std::string& socket_dir) {
  try {
    return {.streams = OperatorClient(socket_dir, kBrokerTimeLimit).list(), .error = {}};
  } catch (const std::exception& error) {
    return {.streams = {}, .error = error.what()};
  }
}

}  // namespace

StreamDirectory::StreamDirectory(boost::asio::io_context& io, std::string socket_dir)
    : io_(io), socket_dir_(std::move(socket_dir)) {}

StreamDirectory::~StreamDirectory() {
  asker_.join();
}

void StreamDirectory::list(Handler handler) {
  waiting_.push_back(std::move(handler));
  if (waiting_.size() > 1) return;
  if (newest_at_ != std::chrono::steady_clock::time_point{} &&
      std::chrono::steady_clock::now() - newest_at_ < kFresh) {
    boost::asio::post(io_, [this] { answer(newest_); });
  } else {
    ask();
  }
}

void StreamDirectory::ask() {
  boost::asio::post(asker_, [this] {
    boost::asio::post(io_, [this, answer = ask_broker(socket_dir_)]() mutable {
      newest_at_ = std::chrono::steady_clock::now();
      this->answer(std::move(answer));
    });
  });
}

void StreamDirectory::answer(Answer answer) {
  newest_ = std::move(answer);
  const Answer told = newest_;  // a handler may ask again
  for (const Handler& handler : std::exchange(waiting_, {})) handler(told);
}

}  // namespace framering::websocket
