// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace framering::websocket {

// Content-Security-Policy: what the page may load, and whom it may ask. That is this host, at any
// port: another consumer serves WebRTC there. `host` is the request's Host header.
[[nodiscard]] std::string content_security_policy(std::string_view host);

// Whether this names a WHEP endpoint of this host: ":PORT/PATH" or "/PATH", with {stream} in it.
[[nodiscard]] bool is_whep_address(std::string_view address) noexcept;

}  // namespace framering::websocket
