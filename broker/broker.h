// SPDX-License-Identifier: Apache-2.0
//
// The broker: introduces producers and consumers to each other, sees deaths, and is never on the
// frame path. One thread, one epoll; it never waits for a peer, and sleeps while nothing happens.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "access.h"
#include "configured_line.h"
#include "control/channel.h"
#include "listeners.h"
#include "registry.h"
#include "service_watchdog.h"

namespace framering {

inline constexpr const char* kTooManyUnderWay =
    "too many descriptors wait in sockets that nobody reads; try again in some seconds";

struct BrokerOptions {
  std::string socket_dir = "/run/framering";
  SocketAccesses sockets;
  AccessList access;
  std::uint32_t max_streams = 16;
  std::uint32_t max_readers = 64;             // of one stream
  std::uint32_t max_connections = 0;          // 0: what streams and readers can need, and 64
  std::uint32_t max_connections_per_uid = 0;  // 0: max_connections - 16
  std::uint32_t attach_burst = 64;            // attempts of one uid at once
  std::uint32_t attach_per_second = 50;
  ConfigValues config;  // what of this a configuration file said
};

class Broker {
 public:
  explicit Broker(BrokerOptions options);  // listens on return; throws std::runtime_error
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Serves until `stop_fd` becomes readable; may be called again.
  void run(int stop_fd);
  // Takes of `fresh` what can change while it runs: the access list, whose losers it turns out, and
  // the limits of one uid. Returns a sentence that says what that was.
  std::string reload(const BrokerOptions& fresh);

 private:
  // A consumer's page and its word that it is attached already; held until its producer is back
  // too.
  struct Claim {
    std::uint32_t request = 0;
    std::string stream;
    std::uint64_t generation = 0;
    std::uint64_t deadline_ns = 0;
    std::unique_ptr<Reader> reader;
  };
  struct Connection {
    Serial serial = 0;
    Role role = Role::consumer;
    Channel channel;
    Fd pidfd;
    Peer peer;
    bool watching_output = false;
    bool doomed = false;
    std::uint64_t reader = 0;              // consumer: the id of its reader; 0: none
    std::uint64_t read_by_ns = 0;          // consumer: when it should have read its descriptors
    std::optional<AttachRequest> waiting;  // consumer: for a stream to be announced
    std::optional<Claim> claim;            // consumer: for its producer to announce itself again
  };
  // A connection that is over, but for the descriptors that its peer has not read.
  struct Unread {
    Channel channel;
    uid_t uid = 0;
  };
  // A request of an operator that a producer has to answer.
  struct Forward {
    std::uint32_t producer_request = 0;
    Serial producer = 0;
    Serial asker = 0;
    std::uint32_t request = 0;
    std::uint64_t deadline_ns = 0;
  };

  // broker.cpp: connections, from accept to burial.
  void watch(int fd, std::uint64_t tag, std::uint32_t events, bool again = false);
  void accept_some(Role role);
  void admit(Fd socket, Role role);
  void pause_accepting(bool retry_soon) noexcept;
  void resume_accepting() noexcept;
  void serve(Connection& connection);
  [[nodiscard]] bool must_not_be_heard(const Connection& connection);
  // False: it was not sent. The connection is doomed, or too many descriptors are under way.
  bool send(Connection& connection, Draft& draft,
            std::initializer_list<int> descriptors = {}) noexcept;
  void refuse(Connection& connection, std::uint32_t request, Reason reason,
              const std::string& text) noexcept;
  // Does what concerns that peer. Short of memory, its connection ends and it begins anew, since a
  // peer that is never told what came of its request waits for ever. Whatever is done for others
  // than the peer that is being served is done by this.
  template <typename Deed>
  void attempt(Connection& peer, const Deed& deed) noexcept {
    try {
      deed();
    } catch (const std::exception&) {
      doom(peer);
    }
  }
  void doom(Connection& connection) noexcept;
  void bury_doomed() noexcept;
  [[nodiscard]] Connection* find(Serial serial) noexcept;
  [[nodiscard]] bool leaves_unread(uid_t uid, std::uint64_t now_ns);
  [[nodiscard]] int next_timeout_ms(std::uint64_t now_ns) const noexcept;
  void expire(std::uint64_t now_ns) noexcept;

  // broker_requests.cpp: what peers ask for.
  void handle(Connection& from);
  void on_announce(Connection& from, std::uint32_t request, wire::Announce::Reader announce);
  void on_attach(Connection& from, std::uint32_t request, wire::Attach::Reader attach);
  void on_claim(Connection& from, std::uint32_t request, wire::Claim::Reader claim);
  void on_reader_added(Connection& from, wire::ReaderAdded::Reader added);
  void on_producer_refused(Connection& from, std::uint32_t request, wire::Refused::Reader refused);
  void on_settings(Connection& from, std::uint32_t request, wire::Message::Reader message);
  void on_list(Connection& from, std::uint32_t request);
  void on_stat(Connection& from, std::uint32_t request, const std::string& stream);
  void on_change(Connection& from, std::uint32_t request, wire::ChangeSettings::Reader change);

  // broker_attach.cpp: the life of a reader.
  void start_attach(Connection& consumer, AttachRequest request);
  void settle_claim(Connection& consumer, Claim claim);
  void fail_attach(Stream& stream, std::uint64_t id, Reason reason, const std::string& text);
  void detach(Reader& reader, wire::Detached::Cause cause);
  void forget_reader(Connection& consumer);
  void stream_appeared(const std::string& name) noexcept;
  void stream_gone(Serial producer) noexcept;
  void tell_producer_to_remove(const Stream& stream, std::uint64_t id);

  [[nodiscard]] bool may_see(const Connection& asker, const Stream& stream) const noexcept;

  BrokerOptions options_;
  Listeners listeners_;
  Registry registry_;
  AttemptLimiter attempts_;
  ServiceWatchdog watchdog_;
  const std::shared_ptr<Disposer> disposer_ = std::make_shared<Disposer>();
  Inbox inbox_;
  Fd epoll_;
  std::unordered_map<Serial, std::unique_ptr<Connection>> connections_;
  std::vector<Serial> doomed_;  // never longer than reserved
  std::vector<Forward> forwards_;
  std::vector<Unread> unread_;
  const std::uint64_t broker_id_;
  Serial next_serial_ = 1;
  std::uint32_t next_request_ = 1;
  int last_usable_fd_ = 0;  // an accepted descriptor above it pauses accepting
  bool accepting_ = true;
  std::uint64_t resume_at_ns_ = 0;  // 0: when a connection ends
};

}  // namespace framering
