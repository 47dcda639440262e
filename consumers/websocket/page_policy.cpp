// SPDX-License-Identifier: Apache-2.0
#include "page_policy.h"

#include <algorithm>

namespace framering::websocket {

namespace {

bool is_digit(char letter) noexcept {
  return letter >= '0' && letter <= '9';
}

// What a host-source of the policy may be made of (CSP level 3, 2.3.1). That has no IPv6 addresses,
// and what a client sent as Host may be anything.
bool can_be_named(std::string_view name) noexcept {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char letter) {
    return is_digit(letter) || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z') || letter == '-' || letter == '.';
  });
}

}  // namespace

std::string content_security_policy(std::string_view host) {
  const std::string_view name = host.substr(0, host.find(':'));
  std::string policy =
      "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
      "frame-ancestors 'self'; connect-src 'self'";
  for (const std::string_view scheme : {" http:", " https:", " ws:", " wss:"}) {
    policy += scheme;
    if (can_be_named(name)) (policy += "//").append(name) += ":*";
  }
  return policy;
}

bool is_whep_address(std::string_view address) noexcept {
  const std::string_view path = address.substr(std::min(address.find('/'), address.size()));
  const std::string_view port = address.substr(0, address.size() - path.size());
  const bool has_port = port.size() >= 2 && port.size() <= 6 && port[0] == ':' &&
                        std::all_of(port.begin() + 1, port.end(), is_digit);
  return (port.empty() || has_port) && !path.starts_with("//") &&
         path.find("{stream}") != std::string_view::npos;
}

}  // namespace framering::websocket
