// SPDX-License-Identifier: Apache-2.0
//
// What a producer hears and sees of its readers between attach and end.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "control/line.h"
#include "control/producer_link.h"

namespace framering {

namespace {

// A line that was heard is not listened to for so long: a reader that nudges without end costs this
// thread 200 wake-ups a second.
constexpr std::uint64_t kLineMute_ns = 5'000'000;
// One look counts at most so many key-frame requests of a reader: the number is its claim.
constexpr std::uint64_t kMaxKeyRequestsAtOnce = 1'000'000;
// How often the eventfds of other users are looked at: while frames flow, and else.
constexpr std::uint64_t kLookAtEvents_ns = 50'000'000;
constexpr std::uint64_t kLookAtEventsIdle_ns = 1'000'000'000;

// Of a reader that could not end this process as well, or stop it.
bool is_of_another_user(const ReaderEntry& entry) noexcept {
  return entry.event.valid() && entry.uid != ::geteuid();
}

}  // namespace

bool ProducerLink::watch_line(int operation, const ReaderEntry& entry) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = entry.id;
  return ::epoll_ctl(epoll_.get(), operation, entry.line.get(), &event) == 0;
}

void ProducerLink::on_line(std::uint64_t id, std::uint64_t now_ns) {
  bool known = false;
  Heard heard = Heard::nothing;
  ring_.readers().for_each([&](ReaderEntry& entry) {
    if (entry.id != id) return;
    known = true;
    entry.muted = true;  // registered with EPOLLONESHOT: silent until rearm_lines
    heard = hear_line(entry.line.get());
  });
  if (!known) return;
  if (unmute_at_ns_ == 0) unmute_at_ns_ = now_ns + kLineMute_ns;
  if (heard == Heard::end) return drop_reader(id, true);  // if that fails, it is heard again
  nudge();
}

void ProducerLink::rearm_lines() {
  unmute_at_ns_ = 0;
  ring_.readers().for_each([this](ReaderEntry& entry) {
    if (std::exchange(entry.muted, false)) (void)watch_line(EPOLL_CTL_MOD, entry);
  });
}

void ProducerLink::drop_reader(std::uint64_t id, bool tell_broker) {
  std::shared_ptr<ReaderEntry> gone = ring_.readers().remove(id);
  if (!gone) return;
  count_key_requests(*gone);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, gone->line.get(), nullptr);  // as Channel::close
  const std::uint32_t uid = gone->uid;
  disposer_->dispose(std::move(gone), uid);  // closing its line may hang
  std::erase(unconfirmed_, id);
  if (tell_broker && announced()) {
    Draft draft;
    draft->initReaderGone().setId(id);
    send(draft);
  }
  nudge();
}

void ProducerLink::drop_unconfirmed() {
  confirm_by_ns_ = 0;
  const std::vector<std::uint64_t> lost = std::move(unconfirmed_);
  unconfirmed_.clear();
  for (const std::uint64_t id : lost) drop_reader(id, true);
}

void ProducerLink::count_key_requests(ReaderEntry& entry) noexcept {
  const std::uint64_t claimed = entry.page->key_requests.load(std::memory_order_relaxed);
  if (claimed > entry.key_requests_counted) {
    const std::uint64_t more =
        std::min(claimed - entry.key_requests_counted, kMaxKeyRequestsAtOnce);
    key_requests_.fetch_add(more, std::memory_order_relaxed);
  }
  entry.key_requests_counted = claimed;
}

Demand ProducerLink::demand() {
  Demand sum;
  ring_.readers().for_each([&](ReaderEntry& entry) {
    ++sum.readers;
    count_key_requests(entry);
    // relaxed, all: wishes order nothing.
    if (entry.page->demand.load(std::memory_order_relaxed) == 0) return;
    ++sum.wanting;
    const auto frames = entry.page->backlog_frames.load(std::memory_order_relaxed);
    const auto bytes = entry.page->backlog_bytes.load(std::memory_order_relaxed);
    const auto kbps = entry.page->wanted_kbps.load(std::memory_order_relaxed);
    sum.worst_backlog_frames = std::max(sum.worst_backlog_frames, frames);
    sum.worst_backlog_bytes = std::max(sum.worst_backlog_bytes, bytes);
    if (kbps != 0 && (sum.lowest_kbps == 0 || kbps < sum.lowest_kbps)) sum.lowest_kbps = kbps;
  });
  sum.key_requests = key_requests();
  return sum;
}

// O_NONBLOCK belongs to the open file, which the reader shares: one that takes it away and fills
// the counter holds publish in write(2). Nobody tells this thread when that happens, so it looks
// now and then. To take such a reader out sets publish free, and its user gets no eventfd again.
// Without eventfds of other users this costs nothing.
void ProducerLink::look_at_events(std::uint64_t now_ns) {
  bool any = false;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> blocking;  // id, uid
  ring_.readers().for_each([&](ReaderEntry& entry) {
    if (!is_of_another_user(entry)) return;
    any = true;
    const int flags = ::fcntl(entry.event.get(), F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) == 0) blocking.emplace_back(entry.id, entry.uid);
  });
  const std::uint64_t head = ring_.head();
  const bool flowing = std::exchange(head_seen_, head) != head;
  look_at_events_ns_ = any ? now_ns + (flowing ? kLookAtEvents_ns : kLookAtEventsIdle_ns) : 0;
  for (const auto& [id, uid] : blocking) {
    if (!without_eventfd(uid)) no_eventfd_for_.push_back(uid);
    drop_reader(id, true);
  }
}

bool ProducerLink::without_eventfd(std::uint32_t uid) const noexcept {
  return std::find(no_eventfd_for_.begin(), no_eventfd_for_.end(), uid) != no_eventfd_for_.end();
}

}  // namespace framering
