// SPDX-License-Identifier: Apache-2.0
//
// Who may ask: the token, the page that asks, and the name it asks under.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "counters.h"

namespace framering::websocket {

struct AccessRules {
  std::string token_secret;  // empty: no token is asked for
  std::vector<std::string>
      origins;                     // of other sites' pages that may connect: "https://example.org"
  std::vector<std::string> hosts;  // names that this server goes by, besides own_names()
};

// What matters of a request; empty: not sent.
struct Credentials {
  std::string_view host, origin, authorization, cookies;
};

class AccessPolicy {
 public:
  explicit AccessPolicy(AccessRules rules);

  [[nodiscard]] bool wants_token() const noexcept { return !rules_.token_secret.empty(); }
  // Nothing: welcome. `is_upgrade`: a WebSocket, which browsers let pages of any site open.
  [[nodiscard]] std::optional<Refusal> judge(const Credentials& of, bool is_upgrade,
                                             std::int64_t now_s) const;
  [[nodiscard]] bool is_token(std::string_view token, std::int64_t now_s) const;

 private:
  [[nodiscard]] bool knows_host(std::string_view host) const;

  AccessRules rules_;
};

[[nodiscard]] bool is_ip_address(const std::string& text);
// What this host is called and reached by: its name, name.local, localhost, and its addresses.
[[nodiscard]] std::vector<std::string> own_names();

}  // namespace framering::websocket
