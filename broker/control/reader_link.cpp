// SPDX-License-Identifier: Apache-2.0
#include "control/reader_link.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "control/line.h"
#include "ring/ordering.h"
#include "ring/reader_table.h"

namespace framering {

namespace {

constexpr std::size_t kInboxBytes = 4096;  // more than any answer to a reader
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kRetry_ns = 500'000'000;  // refused for now (limits)
// A producer that drops its readers at once would have them spend all the attaches of their user.
constexpr std::uint64_t kLeastStay_ns = 50'000'000;
constexpr std::uint64_t kRetryRefused_ns = 2'000'000'000;  // refused for good: rules may change

bool for_good(Reason reason) noexcept {
  switch (reason) {
    case Reason::NO_SUCH_STREAM:
    case Reason::NAME_TAKEN:
    case Reason::LIMIT:
    case Reason::PRODUCER_FAILED:
      return false;
    default:
      return true;
  }
}

}  // namespace

ReaderLink::ReaderLink(const ReaderOptions& options, int reader_page)
    : stream_(options.stream),
      name_(options.name),
      bell_(options.bell),
      reader_page_(reader_page),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      finder_(resolve_socket_dir(options.socket_dir), Role::consumer),
      inbox_(kInboxBytes),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (!epoll_.valid() || !timer_.valid()) {
    throw std::system_error(errno, std::generic_category(), "reader: epoll or timerfd");
  }
  watch(timer_.get());
}

// Throws out of memory, or of the user's epoll watches.
void ReaderLink::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "reader: epoll_ctl");
  }
}

void ReaderLink::unwatch(int fd) noexcept {
  if (fd >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void ReaderLink::service(std::uint64_t now_ns) {
  if (attachment_ && !orphaned_) hear_line();
  if (!channel_.is_open()) {
    if (watched_ >= 0) finder_.read_watch(now_ns);
    find_broker(now_ns);
  }
  if (channel_.is_open()) {
    if (channel_.wants_to_write()) channel_.flush();
    if (!attachment_ && asked_ == 0 && now_ns >= ask_at_ns_) ask();
    receive(now_ns);
    if (!channel_.is_open()) connection_lost(now_ns);
  }
  set_timer();
}

void ReaderLink::find_broker(std::uint64_t now_ns) {
  Fd socket = finder_.connect(now_ns);
  try {
    if (finder_.watch_fd() != watched_) {
      watched_ = finder_.watch_fd();
      if (watched_ >= 0) watch(watched_);
    }
    if (!socket.valid()) return;
    watch(socket.get());
  } catch (const std::system_error&) {
    // Nobody would hear what it says. The back-off tells when to try again.
    return finder_.lost(now_ns);
  }
  channel_ = Channel(std::move(socket), disposer_);
  channel_.watched_by(epoll_.get());
  asked_ = 0;
  if (attachment_ && !orphaned_) claim();
}

void ReaderLink::connection_lost(std::uint64_t now_ns) {
  channel_.close();
  asked_ = 0;
  finder_.lost(now_ns);
  find_broker(now_ns);
}

void ReaderLink::ask() {
  asked_ = ++last_request_;
  Draft draft(asked_);
  auto attach = draft->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setLayout(kLayoutVersion);
  attach.setStream(as_text(stream_));
  attach.setWait(true);
  attach.setBell(static_cast<std::uint32_t>(bell_));
  attach.setName(as_text(name_));
  if (!channel_.send(draft, {reader_page_})) channel_.close();
}

void ReaderLink::claim() {
  asked_ = ++last_request_;
  Draft draft(asked_);
  auto claim = draft->initClaim();
  claim.setProtocol(kProtocolVersion);
  claim.setLayout(kLayoutVersion);
  claim.setStream(as_text(stream_));
  claim.setGeneration(attachment_->view.generation());
  claim.setId(attachment_->id);
  claim.setName(as_text(name_));
  claim.setBell(static_cast<std::uint32_t>(attachment_->bell));
  if (!channel_.send(draft, {reader_page_, attachment_->bell_fd.get()})) channel_.close();
}

void ReaderLink::receive(std::uint64_t now_ns) {
  while (channel_.is_open()) {
    switch (channel_.receive(inbox_)) {
      case Received::nothing:
        return;
      case Received::closed:
      case Received::bad:
        return connection_lost(now_ns);
      case Received::message:
        break;
    }
    try {
      handle(now_ns);
    } catch (const std::exception&) {
      // No broker of ours says such things; or memory is short, and the message half heeded or
      // lost: begin anew.
      return connection_lost(now_ns);
    }
  }
}

void ReaderLink::handle(std::uint64_t now_ns) {
  const auto message = inbox_.message();
  const bool answer = asked_ != 0 && message.getRequest() == asked_;
  using M = wire::Message;
  switch (message.which()) {
    case M::ATTACHED:
      if (!answer || attachment_) return;
      asked_ = 0;
      return on_attached(message.getAttached(), now_ns);
    case M::CLAIMED:
      if (answer) asked_ = 0;
      finder_.succeeded();
      return;
    case M::DETACHED:  // also the answer to a claim that failed
      if (answer) asked_ = 0;
      if (attachment_ && message.getDetached().getId() == attachment_->id) orphaned_ = true;
      return;
    case M::REFUSED:
      if (message.getRequest() != 0 && !answer) return;
      asked_ = 0;
      return on_refused(message.getRefused(), now_ns);
    default:
      return;  // from a newer broker
  }
}

void ReaderLink::on_refused(wire::Refused::Reader refused, std::uint64_t now_ns) {
  if (attachment_) orphaned_ = true;  // a claim; attaching anew will tell more
  if (for_good(refused.getReason())) {
    refuse_ourselves(take_text(refused.getText()), now_ns);
  } else {
    ask_at_ns_ = now_ns + kRetry_ns;
  }
}

void ReaderLink::refuse_ourselves(std::string why, std::uint64_t now_ns) {
  refusal_ = std::move(why);
  refused_ = true;
  ask_at_ns_ = now_ns + kRetryRefused_ns;
}

bool ReaderLink::take_refused() noexcept {
  return std::exchange(refused_, false);
}

void ReaderLink::on_attached(wire::Attached::Reader attached, std::uint64_t now_ns) {
  auto fresh = std::make_unique<ReaderAttachment>();
  fresh->id = attached.getId();
  fresh->since_ns = now_ns;
  fresh->bell = static_cast<Bell>(std::min(attached.getBell(), 2u));
  const bool event = fresh->bell == Bell::eventfd;
  if (inbox_.descriptors() != (event ? 4u : 3u) || !inbox_.holds(2, DescriptorKind::unix_socket) ||
      event != inbox_.holds(3, DescriptorKind::event)) {
    throw BadMessage("Attached lacks descriptors");
  }

  fresh->ring = last_ring_.lock();
  if (!fresh->ring || last_generation_ != attached.getGeneration()) {
    fresh->ring = std::make_shared<ForeignSegment>();
    const SegmentFault fault =
        fresh->ring->map(inbox_.descriptor(0), kSlotsOffset, 2 * kMaxArenaBytes);
    if (fault != SegmentFault::none) {
      return refuse_ourselves(std::string("the ring: ") + describe(fault), now_ns);
    }
  }
  const RingFault ring = fresh->view.open(fresh->ring->data(), fresh->ring->bytes());
  if (ring != RingFault::none || fresh->view.generation() != attached.getGeneration()) {
    return refuse_ourselves(std::string("the ring: ") + describe(ring), now_ns);
  }
  const SegmentFault fault = fresh->bell_segment.map(inbox_.descriptor(1), kPageBytes, 65536);
  if (fault != SegmentFault::none) {
    return refuse_ourselves(std::string("the bell page: ") + describe(fault), now_ns);
  }
  fresh->bell_page = reinterpret_cast<const BellPage*>(fresh->bell_segment.data());
  // acquire: meets the producer's release of the magic.
  if (fresh->bell_page->magic.load(std::memory_order_acquire) != kBellPageMagic) {
    return refuse_ourselves("the producer sent something else than a bell page", now_ns);
  }
  std::uint32_t version = 0;
  copy_racing(&version, &fresh->bell_page->layout_version, sizeof version);
  if (version != kLayoutVersion) {
    return refuse_ourselves("the bell page has layout " + std::to_string(version) +
                                ", this reader knows " + std::to_string(kLayoutVersion) +
                                ": upgrade the " +
                                (version > kLayoutVersion ? "reader" : "producer"),
                            now_ns);
  }
  fresh->bell_fd = inbox_.take(1);
  fresh->line = inbox_.take(2);
  if (event) fresh->event = inbox_.take(3);

  watch(fresh->line.get());
  if (event) watch(fresh->event.get());
  last_ring_ = fresh->ring;
  last_generation_ = fresh->view.generation();
  refusal_.clear();
  refused_ = false;
  finder_.succeeded();
  const std::lock_guard lock(line_mutex_);
  attachment_ = std::move(fresh);
  orphaned_ = false;
}

std::unique_ptr<ReaderAttachment> ReaderLink::release(std::uint64_t retry_at_ns) {
  if (!attachment_) return {};
  const std::lock_guard lock(line_mutex_);
  unwatch(attachment_->line.get());
  unwatch(attachment_->event.get());
  disposer_->close(std::move(attachment_->line), 0);  // what its producer left in it may hang
  attachment_->event.reset();
  attachment_->bell_fd.reset();
  asked_ = 0;  // the answer to an unanswered claim no longer matters
  ask_at_ns_ = std::max({ask_at_ns_, retry_at_ns, attachment_->since_ns + kLeastStay_ns});
  orphaned_ = false;
  return std::move(attachment_);
}

// Empties line and eventfd; finds out whether the producer still serves us.
void ReaderLink::hear_line() noexcept {
  if (framering::hear_line(attachment_->line.get()) == Heard::end) orphaned_ = true;
  if (attachment_->event) take_rings(attachment_->event.get());
  // acquire: what the producer wrote before it let go.
  if (attachment_->bell_page->attachment.load(std::memory_order_acquire) ==
      static_cast<std::uint32_t>(Attachment::detached)) {
    orphaned_ = true;
  }
}

void ReaderLink::nudge() noexcept {
  const std::lock_guard lock(line_mutex_);
  if (attachment_ && attachment_->line.valid()) nudge_line(attachment_->line.get());
}

std::uint64_t ReaderLink::next_service_ns() const noexcept {
  if (!channel_.is_open()) return finder_.next_try_ns();
  return !attachment_ && asked_ == 0 ? ask_at_ns_ : kNever;
}

void ReaderLink::set_timer() {
  const std::uint64_t next = next_service_ns();
  const std::uint64_t at = next == kNever ? 0 : std::max<std::uint64_t>(next, 1);
  if (at != timer_at_ns_ || at != 0) start_timer(at);
}

void ReaderLink::start_timer(std::uint64_t at_ns) noexcept {
  timer_at_ns_ = at_ns;
  itimerspec time{};  // zero: disarmed. Setting it also empties the descriptor
  time.it_value.tv_sec = static_cast<time_t>(at_ns / 1'000'000'000);
  time.it_value.tv_nsec = static_cast<long>(at_ns % 1'000'000'000);
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

void ReaderLink::call_again() noexcept {
  start_timer(1);  // long ago
}

}  // namespace framering
