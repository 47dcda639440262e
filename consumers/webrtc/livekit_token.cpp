// SPDX-License-Identifier: Apache-2.0
#include "livekit_token.h"

#include <nlohmann/json.hpp>

#include "hmac.h"
#include "token.h"

namespace framering::webrtc {

std::string livekit_token(const LivekitAccess& access, std::int64_t now_s, std::int64_t expires_s) {
  const nlohmann::json claims = {
      {"iss", access.key},
      {"sub", access.identity},
      {"nbf", now_s - 60},  // clocks differ a little
      {"exp", expires_s},
      {"video", {{"room", access.room}, {"roomJoin", true}, {"canPublish", true}}}};
  const std::string token = websocket::encode_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." +
                            websocket::encode_base64url(claims.dump());
  return token + "." + websocket::encode_base64url(websocket::hmac_sha256(access.secret, token));
}

}  // namespace framering::webrtc
