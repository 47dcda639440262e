// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include <algorithm>

namespace framering::websocket {

namespace ip = boost::asio::ip;

ConnectionTicket::~ConnectionTicket() {
  if (admission_ != nullptr) admission_->give_back(address_);
}

std::optional<ConnectionTicket> Admission::take(const ip::address& peer, Refusal& why) {
  if (full()) {
    why = Refusal::full;
    return std::nullopt;
  }
  const ip::address address = household_of(peer);
  if (peers_.size() >= kMaxAddresses) forget_strangers();
  Peer& known = peers_[address];
  if (known.open >= limits_.connections_per_address) {
    why = Refusal::address_full;
    return std::nullopt;
  }
  ++known.open;
  ++open_;
  return std::make_optional<ConnectionTicket>(*this, address);
}

bool Admission::may_ask(const ConnectionTicket& ticket, Clock::time_point now) {
  const auto found = peers_.find(ticket.address());
  if (found == peers_.end()) return true;
  Peer& peer = found->second;
  settle(peer, now);
  if (peer.spent + 1 > kBurstSeconds * limits_.requests_per_second) return false;
  ++peer.spent;
  return true;
}

void Admission::give_back(const ip::address& address) noexcept {
  --open_;
  const auto found = peers_.find(address);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  --peer.open;
  if (peer.open != 0) return;
  settle(peer, Clock::now());
  if (peer.spent == 0) peers_.erase(found);  // else it would be new, and unspent, when it returns
}

void Admission::settle(Peer& peer, Clock::time_point now) const noexcept {
  const std::chrono::duration<double> passed = now - peer.seen;
  peer.spent = std::max(0.0, peer.spent - passed.count() * limits_.requests_per_second);
  peer.seen = now;
}

// Those who are not connected. What they have spent is forgiven: the memory is the dearer good.
void Admission::forget_strangers() {
  std::erase_if(peers_, [](const auto& entry) { return entry.second.open == 0; });
}

ip::address household_of(const ip::address& peer) {
  if (!peer.is_v6()) return peer;
  const ip::address_v6 address = peer.to_v6();
  if (address.is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address);
  if (address.is_loopback()) return peer;
  ip::address_v6::bytes_type bytes = address.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  return ip::address_v6(bytes);
}

}  // namespace framering::websocket
