// SPDX-License-Identifier: Apache-2.0
//
// How many connections there may be, in all and from each address, and how often an address may
// ask. One thread.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "counters.h"

namespace framering::websocket {

struct AdmissionLimits {
  std::size_t connections = 256;
  std::size_t connections_per_address = 64;
  std::uint32_t requests_per_second = 50;  // of an address; four seconds' worth may come at once
};

class Admission;

// A place among the connections; free again when destroyed.
class ConnectionTicket {
 public:
  ConnectionTicket(Admission& admission, const boost::asio::ip::address& address)
      : admission_(&admission), address_(address) {}
  ConnectionTicket(ConnectionTicket&& other) noexcept
      : admission_(std::exchange(other.admission_, nullptr)), address_(std::move(other.address_)) {}
  ConnectionTicket& operator=(ConnectionTicket&&) = delete;
  ~ConnectionTicket();

  [[nodiscard]] const boost::asio::ip::address& address() const noexcept { return address_; }

 private:
  Admission* admission_;
  boost::asio::ip::address address_;  // as Admission sees it
};

// Must outlive its tickets.
class Admission {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMaxAddresses = 4096;  // remembered; bounds the memory
  static constexpr double kBurstSeconds = 4;

  explicit Admission(AdmissionLimits limits) : limits_(limits) {}
  // From now on; who is there already stays.
  void limit(AdmissionLimits limits) noexcept { limits_ = limits; }

  // A place for a peer, or why there is none (Refusal::full, Refusal::address_full).
  [[nodiscard]] std::optional<ConnectionTicket> take(const boost::asio::ip::address& peer,
                                                     Refusal& why);
  // Whether this address may ask once more; counts it if so.
  [[nodiscard]] bool may_ask(const ConnectionTicket& ticket, Clock::time_point now);

  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  [[nodiscard]] bool full() const noexcept { return open_ >= limits_.connections; }
  [[nodiscard]] std::size_t addresses() const noexcept { return peers_.size(); }

 private:
  friend class ConnectionTicket;
  struct Peer {
    std::size_t open = 0;
    double spent = 0;  // requests, less what time has given back
    Clock::time_point seen{};
  };

  void give_back(const boost::asio::ip::address& address) noexcept;
  void settle(Peer& peer, Clock::time_point now) const noexcept;
  void forget_strangers();

  AdmissionLimits limits_;
  std::size_t open_ = 0;
  std::map<boost::asio::ip::address, Peer> peers_;
};

// One household of addresses: IPv4 by itself (also where it is mapped into IPv6), IPv6 by its /64,
// which is what one subscriber has.
[[nodiscard]] boost::asio::ip::address household_of(const boost::asio::ip::address& peer);

}  // namespace framering::websocket
