// SPDX-License-Identifier: Apache-2.0
//
// framering ls: which streams there are.
#include <cstdio>
#include <memory>

#include "commands.h"
#include "control/names.h"
#include "control/operator_client.h"
#include "streams.h"
#include "table.h"

namespace framering::cli {

namespace {

void print_table(const std::vector<StreamInfo>& streams) {
  Table table({{"STREAM"},
               {"CODEC"},
               {"SIZE", Align::right},
               {"STATE"},
               {"FRAMES", Align::right},
               {"PUBLISHED", Align::right},
               {"READERS", Align::right},
               {"HISTORY", Align::right},
               {"PRODUCER"}});
  for (const StreamInfo& stream : streams) {
    table.add({stream.name, codec_name(stream.codec), size_text(stream.width, stream.height),
               to_string(stream.state), std::to_string(stream.head),
               bytes_text(stream.bytes_published), std::to_string(stream.readers),
               bytes_text(stream.arena_bytes),
               stream.program + " (" + std::to_string(stream.producer_pid) + ")"});
  }
  std::fputs(table.text().c_str(), stdout);
}

ExitCode list(const std::string& socket_dir, bool json) {
  OperatorClient client(socket_dir);
  const std::vector<StreamInfo> streams = list_streams(client);
  if (json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const StreamInfo& stream : streams) all.push_back(to_json(stream));
    print_json(all);
  } else if (streams.empty()) {
    std::fputs("no streams yet: start a framering-producer\n", stderr);
  } else {
    print_table(streams);
  }
  return ExitCode::ok;
}

}  // namespace

void add_list(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("ls", "List the streams");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "an array with an object for each stream");
  command->callback(
      [&line, json] { line.run = [&line, json] { return list(line.socket_dir, *json); }; });
  finish_command(*command, line, "",
                 "  framering ls\n"
                 "  framering ls --json | jq -r '.[].name'\n");
}

}  // namespace framering::cli
