// SPDX-License-Identifier: Apache-2.0
#include "broker.h"

#include <kj/exception.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "ring/clock.h"

namespace framering {

namespace {

// Descriptors kept free for the work on hand: a page and three handles in flight for each attach,
// and all that one message can bring, since what finds no room is dropped, which may hang.
constexpr int kDescriptorReserve = 32 + 253;
constexpr int kAcceptsAtOnce = 32;
constexpr int kMessagesAtOnce = 16;  // of one peer, before the others get their turn
constexpr std::uint64_t kAcceptPause_ns = 1'000'000'000;

enum class Kind : std::uint32_t { listener, connection, process, stop };

constexpr std::uint64_t tag(Kind kind, std::uint32_t which) noexcept {
  return static_cast<std::uint64_t>(kind) << 32 | which;
}

// As many descriptors as the hard limit allows: consumers cost two each.
int raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(
      std::min<rlim_t>(limit.rlim_cur, static_cast<rlim_t>(std::numeric_limits<int>::max())));
}

int last_usable(int limit) noexcept {
  return std::max(limit - kDescriptorReserve, limit / 2);
}

int unread_bytes(const Channel& channel) noexcept {
  int unread = 0;
  return ::ioctl(channel.fd(), SIOCOUTQ, &unread) == 0 ? unread : 0;
}

BrokerOptions with_defaults(BrokerOptions options) {
  if (options.max_connections == 0) {
    options.max_connections = options.max_streams * (options.max_readers + 1) + 64;
  }
  if (options.max_connections_per_uid == 0) {
    options.max_connections_per_uid = options.max_connections - 16;
  }
  return options;
}

}  // namespace

Broker::Broker(BrokerOptions options)
    : options_(with_defaults(std::move(options))),
      listeners_(options_.socket_dir, options_.sockets),
      registry_(options_.max_streams, options_.max_readers),
      attempts_(options_.attach_burst, options_.attach_per_second),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      broker_id_(random_id()),
      last_usable_fd_(last_usable(raise_descriptor_limit())) {
  if (!epoll_.valid()) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  doomed_.reserve(options_.max_connections);
  accepting_ = false;
  resume_accepting();
}

Broker::~Broker() = default;

void Broker::watch(int fd, std::uint64_t which, std::uint32_t events, bool again) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = which;
  if (::epoll_ctl(epoll_.get(), again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
}

void Broker::run(int stop_fd) {
  watch(stop_fd, tag(Kind::stop, 0), EPOLLIN);
  for (;;) {
    epoll_event events[32];
    const int count =
        ::epoll_wait(epoll_.get(), events, std::size(events), next_timeout_ms(monotonic_ns()));
    if (count < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
      const auto kind = static_cast<Kind>(events[i].data.u64 >> 32);
      const auto which = static_cast<std::uint32_t>(events[i].data.u64);
      if (kind == Kind::stop) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stop_fd, nullptr);
        return;  // what else there was to see in this round, the next run sees
      }
      if (kind == Kind::listener) {
        accept_some(static_cast<Role>(which));
        continue;
      }
      Connection* connection = find(which);  // none: ended by an earlier event of this round
      if (connection == nullptr) continue;
      if (kind == Kind::process) {
        doom(*connection);
      } else {
        attempt(*connection, [&] {
          if ((events[i].events & EPOLLOUT) != 0 && connection->channel.flush() &&
              !connection->channel.wants_to_write()) {
            watch(connection->channel.fd(), events[i].data.u64, EPOLLIN, true);
            connection->watching_output = false;
          }
          serve(*connection);
        });
      }
      bury_doomed();
    }
    expire(monotonic_ns());
    bury_doomed();
  }
}

std::string Broker::reload(const BrokerOptions& options) {
  const BrokerOptions fresh = with_defaults(options);
  options_.access = fresh.access;
  options_.max_connections_per_uid = fresh.max_connections_per_uid;
  options_.attach_burst = fresh.attach_burst;
  options_.attach_per_second = fresh.attach_per_second;
  attempts_.limit(fresh.attach_burst, fresh.attach_per_second);
  for (const auto& [serial, connection] : connections_) {
    const Stream* own = registry_.of_producer(serial);
    const Stream* seen =
        connection->reader == 0 ? nullptr : registry_.of_reader(connection->reader);
    if ((own != nullptr && !fresh.access.allows(Verb::produce, own->name, connection->peer)) ||
        (seen != nullptr && !fresh.access.allows(Verb::read, seen->name, connection->peer))) {
      doom(*connection);
    }
  }
  bury_doomed();
  return options_.config.take(fresh.config,
                              {"allow", "max-connections-per-uid", "attach-burst", "attach-rate"});
}

void Broker::accept_some(Role role) {
  for (int i = 0; i < kAcceptsAtOnce && accepting_; ++i) {
    Fd socket(::accept4(listeners_.fd(role), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      // Out of descriptors or memory: those who wait stay in the listen queue meanwhile.
      if (errno != EAGAIN) pause_accepting(true);
      return;
    }
    // The kernel gives out the lowest free number, so a high one says that all below are in use.
    if (socket.get() > last_usable_fd_ || connections_.size() + 1 >= options_.max_connections) {
      pause_accepting(false);
    }
    try {
      admit(std::move(socket), role);
    } catch (const std::exception&) {
      return pause_accepting(true);  // out of memory or epoll watches: this one is closed
    }
  }
}

void Broker::admit(Fd socket, Role role) {
  auto connection = std::make_unique<Connection>();
  connection->role = role;
  const bool known = peer_of(socket.get(), connection->peer);
  const Peer& peer = connection->peer;
  int error = 0;
  connection->pidfd = pidfd_of(socket.get(), peer.pid, error);
  connection->channel = Channel(std::move(socket), disposer_, peer.uid);
  if (!known || error == ESRCH) return;  // who connected has ended already
  const auto same_user = std::count_if(connections_.begin(), connections_.end(), [&](auto& entry) {
    return entry.second->peer.uid == peer.uid;
  });
  if (same_user >= static_cast<std::ptrdiff_t>(options_.max_connections_per_uid)) {
    connection->channel.refuse(0, Reason::LIMIT,
                               "uid " + std::to_string(peer.uid) + " has " +
                                   std::to_string(same_user) +
                                   " connections to the broker, its limit "
                                   "(--max-connections-per-uid); close some");
    return;
  }
  while (next_serial_ == 0 || find(next_serial_) != nullptr) ++next_serial_;
  const Serial serial = next_serial_++;
  connection->serial = serial;
  watch(connection->channel.fd(), tag(Kind::connection, serial), EPOLLIN);
  connection->channel.watched_by(epoll_.get());
  if (connection->pidfd.valid()) {
    watch(connection->pidfd.get(), tag(Kind::process, serial), EPOLLIN);
  }
  connections_.emplace(serial, std::move(connection));
}

void Broker::pause_accepting(bool retry_soon) noexcept {
  resume_at_ns_ = retry_soon ? monotonic_ns() + kAcceptPause_ns : 0;
  if (!accepting_) return;
  accepting_ = false;
  for (const Role role : kRoles) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listeners_.fd(role), nullptr);
  }
}

void Broker::resume_accepting() noexcept {
  resume_at_ns_ = 0;
  if (accepting_) return;
  accepting_ = true;
  try {
    for (const Role role : kRoles) {
      watch(listeners_.fd(role), tag(Kind::listener, static_cast<std::uint32_t>(role)), EPOLLIN);
    }
  } catch (const std::system_error&) {
    pause_accepting(true);
  }
}

// A user who handed over a descriptor whose closing hangs could hand over more. Producers on the
// air and operators are excepted: they were let in by other rules.
bool Broker::must_not_be_heard(const Connection& connection) {
  return connection.role != Role::operator_ && disposer_->hangs(connection.peer.uid) &&
         registry_.of_producer(connection.serial) == nullptr;
}

void Broker::serve(Connection& connection) {
  for (int i = 0; i < kMessagesAtOnce; ++i) {
    // Who does not read its answers is not asked for more: else they pile up here.
    if (connection.channel.wants_to_write()) return;
    if (must_not_be_heard(connection)) {
      refuse(connection, 0, Reason::LIMIT,
             "closing what uid " + std::to_string(connection.peer.uid) +
                 " handed over earlier hangs; end the program that did it");
      doom(connection);
      return;
    }
    switch (connection.channel.receive(inbox_)) {
      case Received::nothing:
        return;
      case Received::closed:
        doom(connection);
        return;
      case Received::bad:
        refuse(connection, 0, Reason::BAD_MESSAGE,
               "the datagram is no Message of schema/control.capnp: cut off, of an odd length, "
               "misshapen, with too many descriptors or with one that is neither shared memory, "
               "Unix socket nor eventfd (or this broker is out of descriptors)");
        doom(connection);
        return;
      case Received::message:
        break;
    }
    try {
      handle(connection);
    } catch (const BadMessage& bad) {
      refuse(connection, inbox_.message().getRequest(), Reason::BAD_MESSAGE, bad.what());
      doom(connection);
      return;
    } catch (const kj::Exception&) {
      refuse(connection, 0, Reason::BAD_MESSAGE, "the message's inner structure is broken");
      doom(connection);
      return;
    } catch (const std::exception& shortage) {
      refuse(connection, 0, Reason::LIMIT,
             std::string("the broker is short of something: ") + shortage.what());
      doom(connection);
      return;
    }
  }
}

bool Broker::send(Connection& connection, Draft& draft,
                  std::initializer_list<int> descriptors) noexcept {
  if (!connection.channel.send(draft, descriptors)) {
    if (!connection.channel.is_open()) doom(connection);
    return false;
  }
  attempt(connection, [&] {
    if (!connection.channel.wants_to_write() || connection.watching_output) return;
    connection.watching_output = true;
    watch(connection.channel.fd(), tag(Kind::connection, connection.serial), EPOLLOUT, true);
  });
  return true;
}

void Broker::refuse(Connection& connection, std::uint32_t request, Reason reason,
                    const std::string& text) noexcept {
  attempt(connection, [&] {
    Draft draft(request);
    fill_refused(draft, reason, text);
    send(connection, draft);
  });
}

void Broker::doom(Connection& connection) noexcept {
  if (!std::exchange(connection.doomed, true)) doomed_.push_back(connection.serial);
}

Broker::Connection* Broker::find(Serial serial) noexcept {
  const auto found = connections_.find(serial);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Broker::bury_doomed() noexcept {
  // An index, since telling others of a death may doom them too.
  for (std::size_t i = 0; i < doomed_.size(); ++i) {
    const auto found = connections_.find(doomed_[i]);
    if (found == connections_.end()) continue;
    const std::unique_ptr<Connection> dead = std::move(found->second);
    connections_.erase(found);
    if (dead->channel.is_open()) {
      // Kept for its unread descriptors or by the disposer, it would be reported for ever.
      dead->channel.unwatch();
      // The peer hears of it now, even if closing hangs.
      ::shutdown(dead->channel.fd(), SHUT_RDWR);
    }
    if (dead->read_by_ns != 0 && unread_bytes(dead->channel) != 0) {
      attempt(*dead, [&] { unread_.push_back({std::move(dead->channel), dead->peer.uid}); });
    }
    if (dead->role == Role::producer) stream_gone(dead->serial);
    forget_reader(*dead);
    std::erase_if(forwards_, [&](const Forward& f) { return f.asker == dead->serial; });
  }
  if (!doomed_.empty() && !accepting_) resume_accepting();
  doomed_.clear();
}

int Broker::next_timeout_ms(std::uint64_t now_ns) const noexcept {
  std::uint64_t next = std::numeric_limits<std::uint64_t>::max();
  if (resume_at_ns_ != 0) next = resume_at_ns_;
  if (watchdog_.next_ns() != 0) next = std::min(next, watchdog_.next_ns());
  for (const Forward& forward : forwards_) next = std::min(next, forward.deadline_ns);
  for (const auto& [serial, connection] : connections_) {
    if (connection->claim) next = std::min(next, connection->claim->deadline_ns);
  }
  for (const auto& stream : registry_.streams()) {
    for (const auto& reader : stream->readers) {
      if (!reader->attached) next = std::min(next, reader->deadline_ns);
    }
  }
  if (next == std::numeric_limits<std::uint64_t>::max())
    return -1;  // sleep until something happens
  return next <= now_ns ? 0 : static_cast<int>((next - now_ns) / 1'000'000 + 1);
}

// Descriptors that were sent and not read count against what the broker's own user may have under
// way, for all consumers together (too_many_unix_fds in the kernel; root is exempt), and closing
// the connection does not bring them back: only its reader can. So who leaves them gets no more.
bool Broker::leaves_unread(uid_t uid, std::uint64_t now_ns) {
  std::erase_if(unread_, [](const Unread& left) { return unread_bytes(left.channel) == 0; });
  const auto theirs = [uid](const Unread& left) { return left.uid == uid; };
  if (std::any_of(unread_.begin(), unread_.end(), theirs)) return true;
  for (const auto& [serial, connection] : connections_) {
    if (connection->peer.uid != uid || connection->read_by_ns == 0) continue;
    if (unread_bytes(connection->channel) == 0) {
      connection->read_by_ns = 0;
    } else if (now_ns > connection->read_by_ns) {
      return true;
    }
  }
  return false;
}

void Broker::expire(std::uint64_t now_ns) noexcept {
  watchdog_.beat(now_ns);
  if (resume_at_ns_ != 0 && now_ns >= resume_at_ns_) resume_accepting();
  std::erase_if(forwards_, [&](const Forward& forward) {
    if (forward.deadline_ns > now_ns) return false;
    if (Connection* asker = find(forward.asker)) {
      attempt(*asker, [&] {
        refuse(*asker, forward.request, Reason::PRODUCER_FAILED,
               "the producer did not answer in time; is it stopped?");
      });
    }
    return true;
  });
  for (auto& [serial, connection] : connections_) {
    if (!connection->claim || connection->claim->deadline_ns > now_ns) continue;
    Claim claim = std::move(*connection->claim);
    connection->claim.reset();
    claim.deadline_ns = 0;
    Connection& asker = *connection;  // clang 14 captures no structured binding
    attempt(asker, [&] { settle_claim(asker, std::move(claim)); });
  }
  for (const auto& stream : registry_.streams()) {
    for (std::size_t i = stream->readers.size(); i-- > 0;) {
      const Reader& reader = *stream->readers[i];
      if (reader.attached || reader.deadline_ns > now_ns) continue;
      Connection* consumer = find(reader.consumer);
      if (consumer == nullptr) continue;  // cannot be: its burial has removed the reader
      const std::uint64_t id = reader.id;
      tell_producer_to_remove(*stream, id);
      attempt(*consumer, [&] {
        fail_attach(*stream, id, Reason::PRODUCER_FAILED,
                    "the producer of '" + stream->name + "' (pid " + std::to_string(stream->pid) +
                        ") did not answer in time; is it stopped?");
      });
    }
  }
}

}  // namespace framering
