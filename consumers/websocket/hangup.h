// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <exception>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "configured_line.h"

namespace framering::websocket {

// SIGHUP reads the configuration file again. Without a file, it ends the program, as ever.
class Hangup {
 public:
  // `reload` returns a sentence for the log, or throws what is wrong: then all stays as it is.
  Hangup(boost::asio::io_context& io, const ConfigValues& config,
         std::function<std::string()> reload)
      : signals_(io), reload_(std::move(reload)) {
    if (!config.reloadable()) return;
    signals_.add(SIGHUP);
    wait();
  }

 private:
  void wait() {
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      try {
        spdlog::info("{}", reload_());
      } catch (const std::exception& mistake) {
        spdlog::error("{}; going on as before", mistake.what());
      }
      wait();
    });
  }

  boost::asio::signal_set signals_;
  const std::function<std::string()> reload_;
};

// What was read again may be used: who may come was judged together with where the server listens,
// and that stays until a restart. Throws std::runtime_error. `fresh`: empty when the file is wrong,
// which was said already.
template <typename Options>
void check_reload(const ConfigValues& running, const std::optional<Options>& fresh,
                  std::initializer_list<const char*> fixed) {
  if (!fresh) throw std::runtime_error("the configuration is not right");
  for (const char* key : fixed) {
    if (running.differs(fresh->config, key))
      throw std::runtime_error(std::string(key) + " changed, which needs a restart");
  }
}

}  // namespace framering::websocket
