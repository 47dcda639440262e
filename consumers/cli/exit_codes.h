// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace framering::cli {

// What a script can rely on. Documented in `framering --help`.
enum class ExitCode : int {
  ok = 0,
  failed = 1,  // a check failed (torn frame, wrong order), or a file could not be written
  usage = 2,   // the command line is wrong
  no_broker = 3,
  no_stream = 4,
  refused = 5,  // by the broker or the producer
  timed_out = 6,
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 ok, 1 failed (torn frame, file not written), 2 wrong command line, 3 no "
    "broker,\n"
    "            4 no such stream, 5 refused, 6 timed out\n";

// Ends the command with this code. The text says what was wrong and what to do.
class CommandError : public std::runtime_error {
 public:
  CommandError(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

}  // namespace framering::cli
