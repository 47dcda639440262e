// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace framering::websocket {

// Reads "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; port 0: any free one. Throws
// std::invalid_argument with a sentence that names what is wrong.
[[nodiscard]] boost::asio::ip::tcp::endpoint parse_listen_address(const std::string& text);

// "http://127.0.0.1:8080/", or with https
[[nodiscard]] std::string url_of(const boost::asio::ip::tcp::endpoint& endpoint,
                                 bool encrypted = false);

}  // namespace framering::websocket
