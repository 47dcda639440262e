// SPDX-License-Identifier: Apache-2.0
//
// A reader's side of the control plane: finds the broker, attaches, notices the end of broker or
// producer, and holds what an attachment consists of.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/broker_finder.h"
#include "control/channel.h"
#include "control/stream_reader.h"
#include "page_layout.h"
#include "ring/ring_view.h"
#include "ring/segment.h"

namespace framering {

// What a reader holds while a producer serves it.
struct ReaderAttachment {
  std::uint64_t id = 0;
  std::uint64_t since_ns = 0;
  Bell bell = Bell::futex;
  std::shared_ptr<ForeignSegment> ring;  // shared with an earlier attachment to the same ring
  RingView view;
  ForeignSegment bell_segment;
  const BellPage* bell_page = nullptr;
  Fd bell_fd;  // kept for the broker's restart
  Fd line;
  Fd event;                                 // only with Bell::eventfd
  std::unique_ptr<ReaderAttachment> older;  // for whoever keeps some: to keep one needs no memory
};

//   searching ──connect──► asking ──Attached──► attached ──line hung up, let go, Detached──►
//   orphaned
//       ▲                    │  ▲                  │                                            │
//       └──connection lost───┘  └──────────────────┼──────────────────release()─────────────────┘
//                                                  └── connection lost: stays attached, and claims
//                                                  its
//                                                      place as soon as a broker is back
//
// Not thread-safe, but nudge().
class ReaderLink {
 public:
  ReaderLink(const ReaderOptions& options, int reader_page);

  // Does what can be done without waiting; never blocks.
  void service(std::uint64_t now_ns);
  // Null: not attached. Orphaned: its ring can still be read to the end, then release() it.
  [[nodiscard]] const ReaderAttachment* attachment() const noexcept { return attachment_.get(); }
  [[nodiscard]] bool orphaned() const noexcept { return orphaned_; }
  // Gives the attachment back, and begins to attach anew. The memory must stay mapped while leases
  // stand.
  [[nodiscard]] std::unique_ptr<ReaderAttachment> release(std::uint64_t retry_at_ns);

  [[nodiscard]] bool connected() const noexcept { return channel_.is_open(); }
  // Makes event_fd() readable until the next service().
  void call_again() noexcept;
  // When service() should be called even if event_fd() stays silent; UINT64_MAX: no need.
  [[nodiscard]] std::uint64_t next_service_ns() const noexcept;
  // Readable when service() has something to do, or the bell (eventfd, line) was rung.
  [[nodiscard]] int event_fd() const noexcept { return epoll_.get(); }

  // Set when the broker refuses for good; take_refused() is true once for each time.
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  [[nodiscard]] bool take_refused() noexcept;

  void nudge() noexcept;  // any thread: tells the producer that a wish has changed

 private:
  void find_broker(std::uint64_t now_ns);
  void connection_lost(std::uint64_t now_ns);
  void ask();    // attach
  void claim();  // the place that an earlier broker has given
  void receive(std::uint64_t now_ns);
  void handle(std::uint64_t now_ns);
  void on_attached(wire::Attached::Reader attached, std::uint64_t now_ns);
  void on_refused(wire::Refused::Reader refused, std::uint64_t now_ns);
  void hear_line() noexcept;
  void set_timer();
  void start_timer(std::uint64_t at_ns) noexcept;
  void watch(int fd);
  void unwatch(int fd) noexcept;
  void refuse_ourselves(std::string why, std::uint64_t now_ns);

  const std::string stream_;
  const std::string name_;
  const Bell bell_;
  const int reader_page_;

  Fd epoll_;
  BrokerFinder finder_;
  Channel channel_;
  Inbox inbox_;
  const std::shared_ptr<Disposer> disposer_ = std::make_shared<Disposer>();
  Fd timer_;
  int watched_ = -1;               // the finder's watch, as registered
  std::uint64_t timer_at_ns_ = 0;  // 0: not set
  std::uint32_t last_request_ = 0;
  std::uint32_t asked_ = 0;      // the request that waits for its answer; 0: none
  std::uint64_t ask_at_ns_ = 0;  // not before
  std::string refusal_;
  bool refused_ = false;

  std::unique_ptr<ReaderAttachment> attachment_;
  bool orphaned_ = false;
  std::weak_ptr<ForeignSegment> last_ring_;
  std::uint64_t last_generation_ = 0;
  std::mutex line_mutex_;  // guards the life of attachment_->line against nudge()
};

}  // namespace framering
