// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <vector>

#include "access_policy.h"
#include "admission.h"
#include "backlog.h"
#include "configured_line.h"

namespace framering::websocket {

struct Options {
  boost::asio::ip::tcp::endpoint listen;
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  AdmissionLimits limits;
  AccessRules access;
  BacklogPolicy backlog = BacklogPolicy::worst;
  std::string whep;               // as is_whep_address(); empty: not known
  std::string tls_cert, tls_key;  // files; empty: no TLS, or
  std::string tls_self_signed;    // a folder
  bool open_to_anybody = false;   // other machines reach it, and it has no TLS or no token
  ConfigValues config;            // what of this a configuration file said

  [[nodiscard]] bool encrypted() const noexcept {
    return !tls_cert.empty() || !tls_self_signed.empty();
  }
};

// Nothing: the program ends with `exit_code`, and what is to say has been said (--help, a mistake).
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace framering::websocket
