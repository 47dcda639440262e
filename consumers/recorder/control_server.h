// SPDX-License-Identifier: Apache-2.0
//
// Three addresses by HTTP, on a Unix socket beside the broker's for `framering trigger` and
// `framering stat`, and on a loopback port if one is asked for:
//
//   POST /trigger   202: taken; 409: records all the time; 403: not by this way
//   GET  /status    JSON
//   GET  /metrics   Prometheus text
//
// One connection at a time, each for a second at most: these are questions of one machine's own
// tools, not a service for a network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "ring/fd.h"

namespace framering::recorder {

struct Reply {
  int code = 200;
  std::string text;
  const char* type = "application/json";
};

enum class Entrance : std::uint8_t { local, http };

class ControlServer {
 public:
  // Called on the server's thread.
  using Handler = std::function<Reply(std::string_view method, std::string_view path, Entrance)>;

  explicit ControlServer(Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Before start(). Both throw std::runtime_error naming the address.
  void listen_local(const std::string& path);  // for this user and root; goes with the server
  std::string listen_http(const std::string& address);  // "127.0.0.1:8090"; the one it got
  void start();

 private:
  void run();
  void serve(int connection, Entrance entrance) const;
  [[nodiscard]] Reply answer(std::string_view request, Entrance entrance) const;

  const Handler handler_;
  Fd stop_;  // eventfd
  Fd local_, http_;
  std::string local_path_;
  std::thread thread_;
};

}  // namespace framering::recorder
