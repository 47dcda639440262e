// SPDX-License-Identifier: Apache-2.0
//
// As much of HTTP as Prometheus asks for: GET /metrics. One connection at a time, each for a second
// at most, so that nobody who connects and says nothing keeps the others out for long.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ring/fd.h"

namespace framering::exporter {

class ScrapeServer {
 public:
  // Listens; `address` as "127.0.0.1:9464" or "[::1]:9464". A listening socket handed over by a
  // service manager (sd_listen_fds(3), the first) is used instead. Throws std::runtime_error that
  // names the address.
  explicit ScrapeServer(const std::string& address);

  [[nodiscard]] int fd() const noexcept { return listener_.get(); }
  [[nodiscard]] const std::string& address() const noexcept { return address_; }  // that it got
  // Serves who waits at fd(), if anybody does. True: somebody got the page.
  bool serve(const std::function<std::string()>& page);

 private:
  void listen(const std::string& address);

  Fd listener_;
  std::string address_;
};

}  // namespace framering::exporter
