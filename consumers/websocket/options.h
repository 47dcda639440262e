// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <optional>
#include <string>

namespace framering::websocket {

struct Options {
  boost::asio::ip::tcp::endpoint listen;
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  std::size_t max_connections = 256;
};

// Nothing: the program ends with `exit_code`, and what is to say has been said (--help, a mistake).
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace framering::websocket
