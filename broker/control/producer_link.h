// SPDX-License-Identifier: Apache-2.0
//
// A producer's control thread: keeps the stream announced to whichever broker runs, serves its
// readers, and turns what they nudge into a readable descriptor. Frames do not wait for any of
// this.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/broker_finder.h"
#include "control/channel.h"
#include "control/stream_writer.h"
#include "ring/writer.h"

namespace framering {

class ProducerLink {
 public:
  // `ring` must outlive the link. Throws std::system_error when out of descriptors.
  ProducerLink(RingWriter& ring, const WriterOptions& options);
  ~ProducerLink();  // ends the thread and the connection
  ProducerLink(const ProducerLink&) = delete;
  ProducerLink& operator=(const ProducerLink&) = delete;

  // Any thread.
  [[nodiscard]] Demand demand();
  [[nodiscard]] std::uint64_t key_requests() const noexcept {  // as of the last look
    return key_requests_.load(std::memory_order_relaxed);
  }
  bool wait_for_nudge(std::chrono::nanoseconds timeout) noexcept;
  [[nodiscard]] int nudge_fd() const noexcept { return nudge_.get(); }
  [[nodiscard]] bool announced() const noexcept {
    return announced_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::string refusal() const;

 private:
  void run();
  void serve();
  void handle_event(std::uint64_t which, std::uint64_t now_ns);
  void find_broker(std::uint64_t now_ns);
  void announce();
  void connection_lost(std::uint64_t now_ns);
  void receive(std::uint64_t now_ns);
  void handle(std::uint64_t now_ns);
  void on_announced(std::uint64_t now_ns);
  void on_refused(std::uint32_t request, wire::Refused::Reader refused, std::uint64_t now_ns);
  void on_add_reader(std::uint32_t request, wire::AddReader::Reader add);
  void on_change(std::uint32_t request, wire::ChangeSettings::Reader change);
  void on_line(std::uint64_t id, std::uint64_t now_ns);
  void rearm_lines();
  [[nodiscard]] bool watch_line(int operation, const ReaderEntry& entry) noexcept;
  void look_at_events(std::uint64_t now_ns);
  [[nodiscard]] bool without_eventfd(std::uint32_t uid) const noexcept;
  void drop_reader(std::uint64_t id, bool tell_broker);
  void drop_unconfirmed();
  void count_key_requests(ReaderEntry& entry) noexcept;  // under the table's lock
  void nudge() noexcept;
  void send(Draft& draft, std::initializer_list<int> descriptors = {});
  void refuse(std::uint32_t request, Reason reason, std::string_view text);
  void set_refusal(std::string text);
  [[nodiscard]] int timeout_ms(std::uint64_t now_ns) const noexcept;

  RingWriter& ring_;
  const std::string stream_;
  const std::string program_;
  SettingsHandler* const settings_;

  // Control thread only.
  Fd epoll_;
  BrokerFinder finder_;
  Channel channel_;
  bool connected_ = false;  // as far as this thread has noticed
  Inbox inbox_;
  const std::shared_ptr<Disposer> disposer_ = std::make_shared<Disposer>();
  int watched_ = -1;  // the finder's watch, as registered
  std::uint32_t announce_request_ = 0;
  std::uint64_t announce_again_ns_ = 0;  // 0: no need
  std::uint64_t announce_back_off_ns_ = 0;
  bool name_is_taken_ = false;                 // as the last broker said that answered
  std::uint64_t refused_since_ns_ = 0;         // 0: it is not refused
  std::vector<std::uint64_t> unconfirmed_;     // readers from before the broker came back
  std::uint64_t confirm_by_ns_ = 0;            // 0: nothing is unconfirmed
  std::uint64_t unmute_at_ns_ = 0;             // 0: no line is muted
  std::uint64_t look_at_events_ns_ = 0;        // 0: no eventfd is in the hands of another user
  std::uint64_t head_seen_ = 0;                // by that look
  std::vector<std::uint32_t> no_eventfd_for_;  // users who made one block

  // Any thread.
  Fd nudge_;  // eventfd
  Fd wake_;   // eventfd: stop
  std::atomic<bool> stopping_{false};
  std::atomic<bool> announced_{false};
  std::atomic<std::uint64_t> key_requests_{0};  // written under the table's lock
  mutable std::mutex mutex_;                    // guards refusal_
  std::string refusal_;

  std::thread thread_;
};

}  // namespace framering
