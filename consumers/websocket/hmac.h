// SPDX-License-Identifier: Apache-2.0
//
// HMAC-SHA256 (RFC 2104) by OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace framering::websocket {

[[nodiscard]] std::string hmac_sha256(std::string_view key, std::string_view message);

// Whether `signature` is the one; takes the same time however much of it is right, so that it
// cannot be found byte by byte.
[[nodiscard]] bool is_hmac_sha256(std::string_view key, std::string_view message,
                                  std::string_view signature);

}  // namespace framering::websocket
