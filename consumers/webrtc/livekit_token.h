// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace framering::webrtc {

struct LivekitAccess {
  std::string key, secret, room, identity;
};

// What LiveKit's WHIP takes as `Authorization: Bearer`: a JSON Web Token (RFC 7519, HS256) that
// lets `identity` publish in `room`. Times are seconds since 1970.
[[nodiscard]] std::string livekit_token(const LivekitAccess& access, std::int64_t now_s,
                                        std::int64_t expires_s);

}  // namespace framering::webrtc
