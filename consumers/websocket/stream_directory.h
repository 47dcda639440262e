// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "control/operator_client.h"

namespace framering::websocket {

// Which streams there are, asked of the broker off the event loop: an answer may take its time
// limit. However many ask, one question is under way at most, and an answer serves everybody for a
// moment.
class StreamDirectory {
 public:
  struct Answer {
    std::vector<StreamInfo> streams;
    std::string error;  // why there is no list; empty: there is one
  };
  using Handler = std::function<void(const Answer&)>;

  StreamDirectory(boost::asio::io_context& io, std::string socket_dir);
  ~StreamDirectory();  // waits for a question under way
  StreamDirectory(const StreamDirectory&) = delete;
  StreamDirectory& operator=(const StreamDirectory&) = delete;

  // Calls `handler` from the event loop, never from within.
  void list(Handler handler);

 private:
  void ask();
  void answer(Answer answer);

  boost::asio::io_context& io_;
  const std::string socket_dir_;
  std::vector<Handler> waiting_;  // event loop only, as all below
  Answer newest_;
  std::chrono::steady_clock::time_point newest_at_{};
  boost::asio::thread_pool asker_{1};  // last: its thread is joined before the rest goes
};

}  // namespace framering::websocket
