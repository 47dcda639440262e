// SPDX-License-Identifier: Apache-2.0
//
// What the server counts, for /metrics and /healthz. Plain numbers: one thread, the event loop's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace framering::websocket {

// Why somebody was turned away, or sent away.
enum class Refusal : std::uint8_t {
  full,              // --max-connections
  address_full,      // --max-connections-per-address
  too_fast,          // --max-requests-per-second
  evicted,           // had not asked for anything when somebody else needed the place
  slow_request,      // no complete request in time
  tls,               // no TLS handshake
  header_too_large,  // over 8 KiB
  bad_request,       // no HTTP, or none that is served here
  no_token,          // none, or one that is not valid
  foreign_origin,    // a page of another site
  unknown_host,      // a name that this server does not go by
  bad_message,       // WebSocket: too long, bad UTF-8, not the protocol
  silent,            // WebSocket: no pong
  stuck,             // takes nothing any more
};
inline constexpr std::array<std::string_view, 14> kRefusalNames = {
    "full",         "address_full",     "too_fast",    "evicted",  "slow_request",
    "tls",          "header_too_large", "bad_request", "no_token", "foreign_origin",
    "unknown_host", "bad_message",      "silent",      "stuck"};

// How viewers are served.
enum class Way : std::uint8_t { direct, mp4, mjpeg, state };
inline constexpr std::array<std::string_view, 4> kWayNames = {"direct", "mp4", "mjpeg", "state"};

struct WayCounters {
  std::uint64_t viewers = 0;  // now
  std::uint64_t paused = 0;   // of them, now
  std::uint64_t viewers_ever = 0;
  std::uint64_t frames_sent = 0;
  std::uint64_t frames_dropped = 0;
  std::uint64_t bytes_sent = 0;
};

struct Counters {
  std::uint64_t connections_accepted = 0;
  std::uint64_t requests = 0;
  std::array<std::uint64_t, kRefusalNames.size()> refused{};
  std::array<WayCounters, kWayNames.size()> ways{};

  void refuse(Refusal why) noexcept { ++refused[static_cast<std::size_t>(why)]; }
  [[nodiscard]] bool has_websockets() const noexcept {
    const auto open = [this](Way way) { return ways[static_cast<std::size_t>(way)].viewers != 0; };
    return open(Way::direct) || open(Way::mp4) || open(Way::state);
  }
  [[nodiscard]] WayCounters& of(Way way) noexcept { return ways[static_cast<std::size_t>(way)]; }
};

}  // namespace framering::websocket
