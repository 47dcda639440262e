// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

#include "access_policy.h"
#include "configured_line.h"
#include "http_client.h"
#include "livekit_token.h"
#include "rtc_peer.h"

namespace framering::webrtc {

struct Options {
  boost::asio::ip::tcp::endpoint listen;
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  IceSettings ice;
  std::size_t max_viewers = 32;
  websocket::AccessRules access;
  // WHIP instead of WHEP:
  std::optional<Url> whip;
  std::string stream;
  std::string token;
  LivekitAccess livekit;  // empty key: no LiveKit
  ConfigValues config;    // what of this a configuration file said
};

// Nothing: the program ends with `exit_code`, and what is to say has been said (--help, a mistake).
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace framering::webrtc
