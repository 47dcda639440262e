// SPDX-License-Identifier: Apache-2.0
//
// Takes connections down, on a thread of its own: that waits for all of a connection's threads. Until
// then it has these and its descriptors, although nobody watches any more.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <utility>

namespace framering::webrtc {

class Reaper {
 public:
  template <class Task>
  void post(Task task) {
    // relaxed, all: a lone number.
    waiting_.fetch_add(1, std::memory_order_relaxed);
    boost::asio::post(pool_, [this, task = std::move(task)]() mutable {
      task();
      waiting_.fetch_sub(1, std::memory_order_relaxed);
    });
  }
  // Connections that are not down yet. Any thread.
  [[nodiscard]] std::size_t waiting() const noexcept {
    return waiting_.load(std::memory_order_relaxed);
  }
  // Until all are down; none may come any more.
  void join() { pool_.join(); }

 private:
  std::atomic<std::size_t> waiting_{0};
  boost::asio::thread_pool pool_{1};
};

}  // namespace framering::webrtc
