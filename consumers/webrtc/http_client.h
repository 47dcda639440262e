// SPDX-License-Identifier: Apache-2.0
//
// One HTTP or HTTPS request, as WHIP needs it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>

namespace framering::webrtc {

struct Url {
  bool encrypted = false;
  std::string host, port, target;  // target: path and query

  // Throws std::invalid_argument with a sentence.
  [[nodiscard]] static Url parse(const std::string& text);
  // Where a Location leads that was answered here: an address, an absolute or a relative path (RFC
  // 3986, 5.2).
  [[nodiscard]] Url resolve(const std::string& location) const;
  [[nodiscard]] std::string authority() const;  // "host:port", "[::1]:port"
  [[nodiscard]] std::string text() const;
};

struct HttpRequest {
  std::string method;  // "POST"
  Url url;
  std::string content_type, body;
  std::string bearer;  // token; empty: none
};

struct HttpReply {
  unsigned status = 0;  // 0: nobody answered, see error
  std::string error;
  std::string body, location;
  Url url;  // that answered, after redirects (307, 308)
};

// Calls `done` from the event loop, within 10 s.
void fetch(boost::asio::io_context& io, HttpRequest request,
           std::function<void(const HttpReply&)> done);

}  // namespace framering::webrtc
