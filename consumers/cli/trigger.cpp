// SPDX-License-Identifier: Apache-2.0
//
// framering trigger: the recorders of a stream that wait for one begin a clip, or go on with it.
#include <cstdio>
#include <memory>

#include "commands.h"
#include "recorders.h"
#include "table.h"

namespace framering::cli {

namespace {

ExitCode trigger(const std::string& socket_dir, const std::string& stream) {
  const std::vector<Recorder> recorders = find_recorders(socket_dir, stream);
  if (recorders.empty()) {
    throw CommandError(ExitCode::no_stream, "no recorder of '" + printable(stream) +
                                                "' answers; start one: framering-recorder " +
                                                printable(stream) +
                                                " --output DIR --trigger operator");
  }
  std::string refusals;
  std::size_t taken = 0;
  for (const Recorder& recorder : recorders) {
    const RecorderReply reply = ask_recorder(recorder.socket, "POST /trigger");
    if (reply.code == 202) {
      ++taken;
      continue;
    }
    const auto answer = nlohmann::json::parse(reply.text, nullptr, false);
    const std::string why = answer.is_object() ? answer.value("error", "") : "";
    refusals += (refusals.empty() ? "" : "; ") + std::string("recorder of process ") +
                recorder.status.value("pid", nlohmann::ordered_json()).dump() + ": " +
                (why.empty() ? "no answer" : printable(why));
  }
  if (taken == 0) throw CommandError(ExitCode::refused, refusals);
  if (!refusals.empty()) std::fprintf(stderr, "framering: %s\n", refusals.c_str());
  return ExitCode::ok;
}

}  // namespace

void add_trigger(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("trigger", "Have the recorders of a stream make a clip");
  const auto stream = std::make_shared<std::string>();
  command->add_option("stream", *stream, "such as hdmi/h264")->type_name("STREAM")->required();
  command->callback([&line, stream] {
    line.run = [&line, stream] { return trigger(line.socket_dir, *stream); };
  });
  finish_command(
      *command, line,
      "For recorders that were started with --trigger operator: the clip holds what was\n"
      "before this moment as well.\n\n",
      "  framering-recorder hdmi/h264 --output /var/video --trigger operator &\n"
      "  framering trigger hdmi/h264\n");
}

}  // namespace framering::cli
