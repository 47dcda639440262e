// SPDX-License-Identifier: Apache-2.0
//
// JSON Web Tokens signed with HMAC-SHA256 (RFC 7519; RFC 7515, 7518: "HS256"), as NanoKVM's server
// makes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace framering::websocket {

inline constexpr std::size_t kMaxTokenBytes = 4096;
inline constexpr std::size_t kMinSecretBytes = 16;  // shorter ones are found by trying

enum class TokenVerdict : std::uint8_t { valid, malformed, wrong_signature, expired };

// True only with this algorithm, a signature by `secret`, and an `exp` that lies ahead; `nbf`,
// where there is one, must have passed. Times are seconds since 1970.
[[nodiscard]] TokenVerdict verify_token(std::string_view token, std::string_view secret,
                                        std::int64_t now_s);
// A file's first and only line; throws std::invalid_argument when it is no secret.
[[nodiscard]] std::string read_secret(const std::string& path);
[[nodiscard]] std::string make_token(std::string_view secret, std::int64_t expires_s);

// The token of a request: "Authorization: Bearer TOKEN", else the cookie framering-token or
// nano-kvm-token. Empty: none.
[[nodiscard]] std::string_view token_of_request(std::string_view authorization,
                                                std::string_view cookies) noexcept;

// Base64 as in RFC 4648, section 5, without padding. Decoding refuses anything else: false.
[[nodiscard]] std::string encode_base64url(std::string_view bytes);
[[nodiscard]] bool decode_base64url(std::string_view text, std::string& bytes);

}  // namespace framering::websocket
