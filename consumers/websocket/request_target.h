// SPDX-License-Identifier: Apache-2.0
//
// The part of an HTTP request that says what is wanted: /path?key=value&key=value (RFC
// 3986, 3.3, 3.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace framering::websocket {

struct RequestTarget {
  std::string path;                                          // decoded
  std::vector<std::pair<std::string, std::string>> queries;  // decoded, in their order

  // The first value of `key`; null: not given.
  [[nodiscard]] const std::string* query(std::string_view key) const noexcept;
};

// Nothing: not an absolute path, or a broken %-escape, or an escaped control character.
[[nodiscard]] std::optional<RequestTarget> parse_request_target(std::string_view target);

// A whole number without sign, as in ?flow=8. Nothing: something else, or too large.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text) noexcept;

// Whether a page of `origin` ("http://host:port") may talk to the server it calls `host`
// ("host:port"). An empty origin is a program and not a page, and may.
[[nodiscard]] bool same_origin(std::string_view origin, std::string_view host) noexcept;

}  // namespace framering::websocket
