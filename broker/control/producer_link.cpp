// SPDX-License-Identifier: Apache-2.0
#include "control/producer_link.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "ring/clock.h"
#include "ring/quiet_thread.h"

namespace framering {

namespace {

// epoll tags; every other number is the id of a reader whose line it is.
constexpr std::uint64_t kWakeTag = 0;
constexpr std::uint64_t kBrokerTag = 1;
constexpr std::uint64_t kWatchTag = 2;

// Whoever waits for a name lets its holder go first when a broker comes back.
constexpr std::uint64_t kYield_ns = 500'000'000;
constexpr long kShortOfMemoryPause_ns = 10'000'000;

Fd make_eventfd() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

// EPOLL_CTL_ADD may fail: out of memory, or of the user's epoll watches.
bool set_watch(int epoll, int operation, int fd, std::uint64_t which,
               std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = which;
  return ::epoll_ctl(epoll, operation, fd, &event) == 0;
}

}  // namespace

ProducerLink::ProducerLink(RingWriter& ring, const WriterOptions& options)
    : ring_(ring),
      stream_(options.stream),
      program_(options.program),
      settings_(options.settings),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      finder_(resolve_socket_dir(options.socket_dir), Role::producer),
      nudge_(make_eventfd()),
      wake_(make_eventfd()) {
  if (!epoll_.valid()) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  if (!set_watch(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), kWakeTag, EPOLLIN)) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  thread_ = quiet_thread([this] { run(); });
}

ProducerLink::~ProducerLink() {
  stopping_.store(true, std::memory_order_release);
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void ProducerLink::run() {
  bool short_of_memory = false;
  while (!stopping_.load(std::memory_order_acquire)) {
    try {
      // What was half done then is done anew: the broker hears again whom we serve.
      if (std::exchange(short_of_memory, false)) connection_lost(monotonic_ns());
      serve();
    } catch (const std::exception&) {
      // The frames flow on without us; ending the producer for it would end them too.
      short_of_memory = true;
      const timespec pause{0, kShortOfMemoryPause_ns};
      ::nanosleep(&pause, nullptr);
    }
  }
  channel_.close();
}

// Waits for what is next, and does it.
void ProducerLink::serve() {
  const std::uint64_t before_ns = monotonic_ns();
  if (connected_ && !channel_.is_open()) connection_lost(before_ns);  // a send failed
  if (!connected_) find_broker(before_ns);
  epoll_event events[16];
  const int count =
      ::epoll_wait(epoll_.get(), events, std::size(events), timeout_ms(monotonic_ns()));
  const std::uint64_t now_ns = monotonic_ns();
  for (int i = 0; i < count; ++i) handle_event(events[i].data.u64, now_ns);
  if (announce_again_ns_ != 0 && now_ns >= announce_again_ns_) announce();
  if (confirm_by_ns_ != 0 && now_ns >= confirm_by_ns_) drop_unconfirmed();
  if (unmute_at_ns_ != 0 && now_ns >= unmute_at_ns_) rearm_lines();
  if (look_at_events_ns_ != 0 && now_ns >= look_at_events_ns_) look_at_events(now_ns);
}

int ProducerLink::timeout_ms(std::uint64_t now_ns) const noexcept {
  std::uint64_t next = std::numeric_limits<std::uint64_t>::max();
  if (!channel_.is_open()) next = finder_.next_try_ns();
  if (announce_again_ns_ != 0) next = std::min(next, announce_again_ns_);
  if (confirm_by_ns_ != 0) next = std::min(next, confirm_by_ns_);
  if (unmute_at_ns_ != 0) next = std::min(next, unmute_at_ns_);
  if (look_at_events_ns_ != 0) next = std::min(next, look_at_events_ns_);
  if (next == std::numeric_limits<std::uint64_t>::max()) return -1;
  return next <= now_ns ? 0 : static_cast<int>((next - now_ns) / 1'000'000 + 1);
}

void ProducerLink::handle_event(std::uint64_t which, std::uint64_t now_ns) {
  switch (which) {
    case kWakeTag:
      return;  // to stop
    case kWatchTag:
      return finder_.read_watch(now_ns);
    case kBrokerTag:
      if (!channel_.is_open()) return;  // lost since, while an event before this one was handled
      if (channel_.wants_to_write() && channel_.flush() && !channel_.wants_to_write()) {
        set_watch(epoll_.get(), EPOLL_CTL_MOD, channel_.fd(), kBrokerTag, EPOLLIN);
      }
      return receive(now_ns);
    default:
      return on_line(which, now_ns);
  }
}

void ProducerLink::find_broker(std::uint64_t now_ns) {
  Fd socket = finder_.connect(now_ns);
  if (finder_.watch_fd() != watched_) {
    watched_ = finder_.watch_fd();
    // Without it the back-off alone tells when to try again.
    if (watched_ >= 0) set_watch(epoll_.get(), EPOLL_CTL_ADD, watched_, kWatchTag, EPOLLIN);
  }
  if (!socket.valid()) return;
  channel_ = Channel(std::move(socket), disposer_);
  connected_ = true;
  // Deaf, it would be announced and serve nobody.
  if (!set_watch(epoll_.get(), EPOLL_CTL_ADD, channel_.fd(), kBrokerTag, EPOLLIN)) {
    return connection_lost(now_ns);
  }
  channel_.watched_by(epoll_.get());
  announce_back_off_ns_ = 0;
  if (name_is_taken_) {
    announce_again_ns_ = now_ns + kYield_ns;
  } else {
    announce();
  }
}

void ProducerLink::connection_lost(std::uint64_t now_ns) {
  announced_.store(false, std::memory_order_release);
  channel_.close();
  connected_ = false;
  announce_again_ns_ = 0;
  confirm_by_ns_ = 0;
  refused_since_ns_ = 0;
  finder_.lost(now_ns);
}

void ProducerLink::send(Draft& draft, std::initializer_list<int> descriptors) {
  if (!channel_.send(draft, descriptors)) {
    channel_.close();
  } else if (channel_.wants_to_write()) {
    set_watch(epoll_.get(), EPOLL_CTL_MOD, channel_.fd(), kBrokerTag, EPOLLIN | EPOLLOUT);
  }
}

void ProducerLink::receive(std::uint64_t now_ns) {
  for (;;) {
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

void ProducerLink::refuse(std::uint32_t request, Reason reason, std::string_view text) {
  Draft draft(request);
  fill_refused(draft, reason, text);
  send(draft);
}

void ProducerLink::nudge() noexcept {
  ::eventfd_write(nudge_.get(), 1);
}

bool ProducerLink::wait_for_nudge(std::chrono::nanoseconds timeout) noexcept {
  pollfd nudged{nudge_.get(), POLLIN, 0};
  const auto ns = std::max<std::int64_t>(timeout.count(), 0);
  const timespec limit{static_cast<time_t>(ns / 1'000'000'000),
                       static_cast<long>(ns % 1'000'000'000)};
  if (::ppoll(&nudged, 1, timeout.count() < 0 ? nullptr : &limit, nullptr) <= 0) return false;
  eventfd_t count = 0;
  return ::eventfd_read(nudge_.get(), &count) == 0;
}

std::string ProducerLink::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

void ProducerLink::set_refusal(std::string text) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(text);
}

}  // namespace framering
