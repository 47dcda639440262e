// SPDX-License-Identifier: Apache-2.0
//
// framering set: changes what a producer does with a stream, or shows what holds now.
#include <cstdio>
#include <memory>
#include <utility>

#include "commands.h"
#include "control/operator_client.h"
#include "streams.h"
#include "table.h"

namespace framering::cli {

namespace {

struct Options {
  std::string stream;
  std::vector<std::string> assignments;
  bool json = false;
};

std::pair<std::string, std::string> parse(const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == assignment.size()) {
    throw CommandError(ExitCode::usage, "'" + printable(assignment) +
                                            "' is no setting; write key=value, such as gop=30");
  }
  return {assignment.substr(0, equals), assignment.substr(equals + 1)};
}

void print(const std::vector<SettingValue>& settings, bool json) {
  if (json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::object();
    for (const SettingValue& setting : settings) {
      all[setting.key] = {
          {"value", setting.value}, {"range", setting.range}, {"unit", setting.unit}};
    }
    print_json(all);
    return;
  }
  if (settings.empty()) {
    std::fputs("this stream has no settings\n", stderr);
    return;
  }
  Table table({{"SETTING"}, {"VALUE", Align::right}, {"UNIT"}, {"RANGE"}});
  for (const SettingValue& setting : settings) {
    table.add({setting.key, setting.value, setting.unit, setting.range});
  }
  std::fputs(table.text().c_str(), stdout);
}

ExitCode change(const std::string& socket_dir, const Options& options) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const std::string& assignment : options.assignments) values.push_back(parse(assignment));

  OperatorClient client(socket_dir);
  const StreamInfo stream = find_stream(list_streams(client), options.stream);
  print(client.change(stream.name, values), options.json);
  return ExitCode::ok;
}

}  // namespace

void add_set(CLI::App& app, CommandLine& line) {
  CLI::App* command =
      app.add_subcommand("set", "Change settings of a stream (all or none), or show them");
  const auto options = std::make_shared<Options>();
  command->add_option("stream", options->stream, "such as hdmi/h264")
      ->type_name("STREAM")
      ->required();
  command->add_option("values", options->assignments, "none: shows what holds now, with ranges")
      ->type_name("key=value");
  command->add_flag("--json", options->json, "an object with value, range and unit of each");
  command->callback([&line, options] {
    line.run = [&line, options] { return change(line.socket_dir, *options); };
  });
  finish_command(*command, line, "",
                 "  framering set hdmi/h264\n"
                 "  framering set hdmi/h264 bitrate-kbps=4000 gop=60\n"
                 "  framering set hdmi/mjpeg frame-detect=on\n"
                 "  framering set hdmi/h264 hdmi=off\n");
}

}  // namespace framering::cli
