// SPDX-License-Identifier: Apache-2.0
//
// framering: looks at what a broker serves, reads it, and changes its settings.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "commands.h"
#include "control/operator_client.h"

namespace {

using framering::OperatorError;
using framering::cli::ExitCode;

ExitCode code_of(OperatorError::Kind kind) {
  switch (kind) {
    case OperatorError::Kind::unreachable:
      return ExitCode::no_broker;
    case OperatorError::Kind::refused:
      return ExitCode::refused;
    case OperatorError::Kind::timed_out:
      return ExitCode::timed_out;
  }
  return ExitCode::failed;
}

ExitCode complain(ExitCode code, const std::string& text) {
  std::fprintf(stderr, "framering: %s\n", text.c_str());
  return code;
}

ExitCode run(const framering::cli::CommandLine& line) {
  try {
    return line.run();
  } catch (const framering::cli::CommandError& error) {
    return complain(error.code(), error.what());
  } catch (const OperatorError& error) {
    const bool lost = error.kind() == OperatorError::Kind::unreachable;
    return complain(code_of(error.kind()),
                    std::string(error.what()) +
                        (lost ? "\n  start framering-broker, or give --socket-dir" : ""));
  } catch (const std::exception& error) {
    return complain(ExitCode::failed, error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  framering::cli::CommandLine line;
  CLI::App app("Video streams of a framering broker: list, watch, read and set them.", "framering");
  app.set_version_flag("--version", FRAMERING_VERSION);
  framering::cli::add_socket_dir(app, line);
  app.footer(std::string("\n`framering COMMAND --help` shows examples.\n") +
             framering::cli::kExitCodesHelp);
  app.require_subcommand(1);

  framering::cli::add_list(app, line);
  framering::cli::add_stat(app, line);
  framering::cli::add_top(app, line);
  framering::cli::add_cat(app, line);
  framering::cli::add_snapshot(app, line);
  framering::cli::add_set(app, line);
  framering::cli::add_trigger(app, line);
  framering::cli::add_doctor(app, line);
#ifdef FRAMERING_HAVE_MUXER
  framering::cli::add_export(app, line);
#endif

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  return static_cast<int>(run(line));
}
