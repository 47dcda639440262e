// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "control/stream_writer.h"
#include "options.h"
#include "watchdog.h"

namespace framering {

// On SIGHUP, gives a source what changed in the configuration file, on the way that `framering set`
// takes too; what the source cannot change while it runs waits for a restart. A mistake in the file
// leaves everything as it is.
class Reload {
 public:
  // `read_again` throws as parse_options does. `settings` and `watchdog` outlive this.
  Reload(ConfigValues config, std::function<Options()> read_again, SettingsHandler& settings,
         Watchdog& watchdog);
  ~Reload();
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

 private:
  void run();  // watchdog thread

  ConfigValues config_;
  const std::function<Options()> read_again_;
  SettingsHandler& settings_;
  Watchdog& watchdog_;
};

}  // namespace framering
