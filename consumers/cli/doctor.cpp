// SPDX-License-Identifier: Apache-2.0
//
// framering doctor: what is amiss on this machine, and what to do about it.
#include "doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "control/socket_path.h"
#include "streams.h"
#include "table.h"

namespace framering::cli {
namespace {

constexpr const char* kUsualConfig = "/etc/framering/framering.toml";

struct Options {
  std::string config, library, venc_library;
  bool json = false;
};

const char* to_string(Finding::Grade grade) {
  switch (grade) {
    case Finding::Grade::good:
      return "ok";
    case Finding::Grade::note:
      return "note";
    case Finding::Grade::fault:
      return "FAULT";
  }
  return "";
}

void print(const Findings& findings) {
  for (const Finding& finding : findings.all()) {
    std::printf("%-5s  %s: %s\n", to_string(finding.grade), printable(finding.subject).c_str(),
                printable(finding.found).c_str());
    if (!finding.mend.empty()) std::printf("       -> %s\n", printable(finding.mend).c_str());
  }
  const auto count = [&](Finding::Grade grade) {
    return std::ranges::count(findings.all(), grade, &Finding::grade);
  };
  std::printf("%td faults, %td notes, %td as they should be\n", count(Finding::Grade::fault),
              count(Finding::Grade::note), count(Finding::Grade::good));
}

void print_as_json(const Findings& findings) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Finding& finding : findings.all()) {
    all.push_back(
        {{"grade", finding.grade == Finding::Grade::fault ? "fault" : to_string(finding.grade)},
         {"subject", finding.subject},
         {"found", finding.found},
         {"mend", finding.mend}});
  }
  print_json({{"healthy", findings.healthy()}, {"findings", all}});
}

ExitCode examine(const std::string& socket_dir_option, const Options& options) {
  const std::string socket_dir = resolve_socket_dir(socket_dir_option);
  Findings findings;
  check_kernel(findings);
  check_limits(findings, socket_dir);
  check_memory(findings);
  check_clock(findings);
  if (check_sockets(findings, socket_dir)) check_broker(findings, socket_dir);
  if (!options.config.empty()) {
    check_config(findings, options.config);
  } else if (::access(kUsualConfig, F_OK) == 0) {
    check_config(findings, kUsualConfig);
  }
  if (!options.library.empty()) check_library(findings, options.library, options.venc_library);
  if (options.json) {
    print_as_json(findings);
  } else {
    print(findings);
  }
  return findings.healthy() ? ExitCode::ok : ExitCode::failed;
}

}  // namespace

void Findings::good(const std::string& subject, const std::string& found) {
  all_.push_back({Finding::Grade::good, subject, found, ""});
}

void Findings::note(const std::string& subject, const std::string& found, const std::string& mend) {
  all_.push_back({Finding::Grade::note, subject, found, mend});
}

void Findings::fault(const std::string& subject, const std::string& found,
                     const std::string& mend) {
  all_.push_back({Finding::Grade::fault, subject, found, mend});
}

bool Findings::healthy() const noexcept {
  return std::ranges::none_of(
      all_, [](const Finding& finding) { return finding.grade == Finding::Grade::fault; });
}

void add_doctor(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("doctor", "Find what is amiss here, and say what to do");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("--config", options->config,
                   "configuration file (default: /etc/framering/framering.toml, if there is one)")
      ->type_name("FILE");
  auto* const library =
      command->add_option("--library", options->library, "also look at this libkvm_mmf.so")
          ->type_name("FILE");
  command->add_option("--venc-library", options->venc_library, "its libvenc.so, if not beside it")
      ->type_name("FILE")
      ->needs(library);
  command->add_flag("--json", options->json, "an object with every finding");
  command->callback([&line, options] {
    line.run = [&line, options] { return examine(line.socket_dir, *options); };
  });
  finish_command(
      *command, line,
      "Looks at the kernel, limits, memory, clock; at sockets, broker, streams and recorders;\n"
      "at the configuration file. Run it as the user whose program does not work. A fault is\n"
      "something that does not work: then the exit code is 1.\n\n",
      "  framering doctor\n"
      "  sudo -u framering-websocket framering doctor\n"
      "  framering doctor --json | jq '.findings[] | select(.grade == \"fault\")'\n");
}

}  // namespace framering::cli
