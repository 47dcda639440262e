// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of `framering`. Each add_... puts one on the command line; when the user names
// it, `run` is set to what it does. It may throw CommandError, OperatorError or any std::exception.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "exit_codes.h"

namespace framering::cli {

struct CommandLine {
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  std::function<ExitCode()> run;
};

void add_list(CLI::App& app, CommandLine& line);
void add_stat(CLI::App& app, CommandLine& line);
void add_top(CLI::App& app, CommandLine& line);
void add_cat(CLI::App& app, CommandLine& line);
void add_snapshot(CLI::App& app, CommandLine& line);
void add_set(CLI::App& app, CommandLine& line);
void add_trigger(CLI::App& app, CommandLine& line);
void add_doctor(CLI::App& app, CommandLine& line);
void add_export(CLI::App& app, CommandLine& line);  // only with libavformat

// Not CLI11's envname(): it would let the environment override a --socket-dir before the
// subcommand.
inline void add_socket_dir(CLI::App& app, CommandLine& line) {
  app.add_option("--socket-dir", line.socket_dir,
                 "where the broker's sockets are\n(default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");
}

// What every subcommand has: --socket-dir, and below its options what else there is to say.
inline void finish_command(CLI::App& command, CommandLine& line, const std::string& details,
                           const std::string& examples) {
  add_socket_dir(command, line);
  command.footer("\n" + details + "Examples:\n" + examples + "\n" + kExitCodesHelp);
}

}  // namespace framering::cli
