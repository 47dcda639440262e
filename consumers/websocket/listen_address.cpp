// SPDX-License-Identifier: Apache-2.0
#include "listen_address.h"

#include <stdexcept>

#include "request_target.h"

namespace framering::websocket {

boost::asio::ip::tcp::endpoint parse_listen_address(const std::string& text) {
  const std::string hint =
      " in '" + text + "': give ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw std::invalid_argument("no port" + hint);
  const auto port = parse_number(std::string_view(text).substr(colon + 1));
  if (!port || *port > 65535) throw std::invalid_argument("the port is not 0..65535" + hint);

  std::string host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  if (error || address.is_v6() != bracketed)
    throw std::invalid_argument("no IP address of this host" + hint);
  return {address, static_cast<unsigned short>(*port)};
}

std::string url_of(const boost::asio::ip::tcp::endpoint& endpoint, bool encrypted) {
  const std::string host = endpoint.address().to_string();
  return (encrypted ? "https://" : "http://") +
         (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port()) + "/";
}

}  // namespace framering::websocket
