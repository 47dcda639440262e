// SPDX-License-Identifier: Apache-2.0
#include "whep_sessions.h"

#include <sys/random.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include "ring/clock.h"

namespace framering::webrtc {

namespace {

constexpr std::chrono::seconds kSweepInterval{1};
// Connections that are being taken down, beside those that are watched. It takes longer than making
// one, so whoever begins and ends sessions all the time would pile them up.
constexpr std::size_t kMaxLeaving = 16;
// A viewer takes a dozen descriptors, and GLib ends the process when it finds none: so many stay
// free, for one viewer and for all connections by HTTP that may come meanwhile.
constexpr rlim_t kSpareDescriptors = 320;

std::string unguessable_id() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
  std::string id;
  for (const unsigned char byte : bytes) {
    id += "0123456789abcdef"[byte >> 4];
    id += "0123456789abcdef"[byte & 15];
  }
  return id;
}

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool has_descriptors() {
  rlimit limit{};
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  if (error || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return true;  // who knows
  const auto used = static_cast<rlim_t>(std::distance(begin(open), end(open)));
  return used + kSpareDescriptors <= limit.rlim_cur;
}

}  // namespace

WhepSessions::WhepSessions(boost::asio::io_context& io, websocket::StreamHub& hub,
                           const IceSettings& ice, std::size_t max_viewers)
    : io_(io), hub_(hub), ice_(ice), max_viewers_(max_viewers), sweep_timer_(io) {
  raise_descriptor_limit();
}

WhepSessions::~WhepSessions() {
  sessions_.clear();
  reaper_.join();
}

void WhepSessions::begin(
    const std::string& stream, const std::string& sdp,
    const std::function<void(const WhepAnswer&, const std::string&)>& respond) {
  if (sessions_.size() >= max_viewers_)
    return respond({503, "there are " + std::to_string(max_viewers_) +
                             " viewers already, which is the limit (--max-viewers)"},
                   {});
  if (reaper_.waiting() >= kMaxLeaving)
    return respond({503, "viewers come and go too fast: wait a moment"}, {});
  if (!has_descriptors())
    return respond({503, "this process may not open enough files for one more viewer (ulimit -n)"},
                   {});
  try {
    const std::string id = unguessable_id();
    auto session = std::make_shared<WhepSession>(
        io_, id, parse_offer(sdp), relay_of(stream),
        [respond, id](const WhepAnswer& answer) { respond(answer, id); }, [this, id] { end(id); });
    if (sessions_.empty()) sweep();
    sessions_.emplace(id, session);
    session->begin(reaper_, ice_);
  } catch (const SdpError& error) {
    respond({400, error.what()}, {});
  } catch (const websocket::StreamHub::Full& error) {
    respond({503, error.what()}, {});
  } catch (const std::invalid_argument& error) {
    respond({404, error.what()}, {});
  }
}

std::shared_ptr<StreamRelay> WhepSessions::relay_of(const std::string& stream) {
  std::erase_if(relays_, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<StreamRelay> relay = relays_[stream].lock();
  // What the broker refused, it may allow the next one.
  if (relay == nullptr || !relay->status().refusal.empty())
    relays_[stream] = relay = std::make_shared<StreamRelay>(io_, hub_, stream);
  return relay;
}

WhepSession* WhepSessions::find(const std::string& id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

// Only while there is somebody: idle means idle.
void WhepSessions::sweep() {
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    std::erase_if(sessions_,
                  [](const auto& entry) { return entry.second->vanished(monotonic_ns()); });
    if (!sessions_.empty()) sweep();
  });
}

}  // namespace framering::webrtc
