// SPDX-License-Identifier: Apache-2.0
//
// framering stat: all that is known of a stream and of each of its readers.
#include <cstdio>
#include <memory>

#include "commands.h"
#include "control/names.h"
#include "control/operator_client.h"
#include "recorders.h"
#include "streams.h"
#include "table.h"

namespace framering::cli {

namespace {

struct Options {
  std::string stream;  // empty: all
  bool json = false;
};

// "3.2 s" from one CLOCK_MONOTONIC time to a later one; "-" when the first is unknown.
std::string since(std::uint64_t then_ns, std::uint64_t now_ns) {
  if (then_ns == 0 || then_ns > now_ns) return "-";
  return seconds_text(static_cast<double>(now_ns - then_ns) / 1e9);
}

void print_stream(const StreamStat& stat) {
  const StreamInfo& stream = stat.stream;
  const auto count = [](std::uint64_t number) { return std::to_string(number); };
  const auto row = [](const char* name, const std::string& value) {
    std::printf("  %-14s %s\n", name, printable(value).c_str());
  };
  char generation[24];
  std::snprintf(generation, sizeof generation, "%016llx",
                static_cast<unsigned long long>(stream.generation));

  std::printf("%s\n", printable(stream.name).c_str());
  row("codec", codec_name(stream.codec) + ", " + size_text(stream.width, stream.height));
  row("state", std::string(to_string(stream.state)) + " for " +
                   since(stream.state_since_ns, stat.taken_ns) + ", heartbeat " +
                   since(stream.heartbeat_ns, stat.taken_ns) + " ago");
  row("producer", stream.program + ", pid " + count(stream.producer_pid) + ", uid " +
                      count(stream.producer_uid) + ", generation " + generation);
  row("frames", count(stream.head) + " published, newest key frame " + count(stream.newest_key) +
                    ", " + count(stat.frames_too_large) + " too large and skipped");
  row("bytes", bytes_text(stream.bytes_published) + " published");
  row("ring", bytes_text(stream.arena_bytes) + " of history, " + count(stream.slot_count) +
                  " slots, largest frame " + bytes_text(stream.max_frame_bytes));
  row("key requests", count(stat.key_requests_wanted) + " wanted, " +
                          count(stat.key_requests_granted) + " granted");
  row("leases", count(stat.leases_stepped_over) + " stepped over, " + count(stat.leases_revoked) +
                    " revoked");
  row("bells", count(stat.bells_rung) + " rung, " + count(stat.bells_by_ringer) +
                   " of them by the ringer thread");
}

void print_readers(const StreamStat& stat) {
  Table table({{"READER"},
               {"PID", Align::right},
               {"UID", Align::right},
               {"BELL"},
               {"WANTS"},
               {"ATTACHED", Align::right},
               {"LAG", Align::right},
               {"DELIVERED", Align::right},
               {"BYTES", Align::right},
               {"LAPPED", Align::right},
               {"SKIPPED", Align::right},
               {"UNDECODABLE", Align::right},
               {"LEASES", Align::right},
               {"REVOKED", Align::right},
               {"KEY REQ", Align::right},
               {"BACKLOG", Align::right}});
  for (const ReaderInfo& reader : stat.readers) {
    const std::uint64_t head = stat.stream.head;
    const std::uint64_t lag = reader.read_to < head ? head - reader.read_to : 0;
    table.add({reader.name, std::to_string(reader.pid), std::to_string(reader.uid),
               to_string(reader.bell), reader.demand ? "frames" : "paused",
               since(reader.attached_ns, stat.taken_ns), std::to_string(lag),
               std::to_string(reader.delivered), bytes_text(reader.delivered_bytes),
               std::to_string(reader.lost_lapped), std::to_string(reader.lost_skipped),
               std::to_string(reader.lost_undecodable), std::to_string(reader.leases_held),
               std::to_string(reader.leases_revoked), std::to_string(reader.key_requests),
               std::to_string(reader.backlog_frames) + " / " + bytes_text(reader.backlog_bytes)});
  }
  for (const std::string& line : table.lines()) std::printf("  %s\n", line.c_str());
}

void print_recorders(const std::vector<Recorder>& recorders) {
  for (const Recorder& recorder : recorders) {
    const nlohmann::ordered_json& status = recorder.status;
    const auto number = [&](const char* key) { return status.value(key, std::uint64_t{0}); };
    std::string text = "pid " + std::to_string(number("pid")) + ", " + status.value("mode", "") +
                       ", " +
                       (status.value("recording", false) ? status.value("file", "") : "idle");
    text += "; " + std::to_string(number("frames")) + " frames, " + bytes_text(number("bytes")) +
            "; " + std::to_string(number("frames_lost")) + " lost in " +
            std::to_string(number("gaps")) + " gaps; " + std::to_string(number("files_kept")) +
            " files, " + bytes_text(number("bytes_kept"));
    const std::string complaint = status.value("complaint", "");
    if (!complaint.empty()) text += "; " + complaint;
    std::printf("  %-14s %s\n", "recorder", printable(text).c_str());
  }
}

ExitCode show(const std::string& socket_dir, const Options& options) {
  OperatorClient client(socket_dir);
  std::vector<StreamInfo> streams = list_streams(client);
  if (!options.stream.empty()) streams = {find_stream(streams, options.stream)};

  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const StreamInfo& stream : streams) {
    StreamStat stat;
    try {
      stat = client.stat(stream.name);
    } catch (const OperatorError& error) {
      // It may have gone since it was listed; only the one that was asked for is missed.
      if (error.kind() != OperatorError::Kind::refused || !options.stream.empty()) throw;
      continue;
    }
    const std::vector<Recorder> recorders = find_recorders(socket_dir, stream.name);
    if (options.json) {
      all.push_back(to_json(stat));
      all.back()["recorders"] = nlohmann::ordered_json::array();
      for (const Recorder& recorder : recorders) all.back()["recorders"].push_back(recorder.status);
      continue;
    }
    print_stream(stat);
    print_recorders(recorders);
    if (!stat.readers.empty()) print_readers(stat);
  }
  if (options.json) {
    print_json(all);
  } else if (streams.empty()) {
    std::fputs("no streams yet: start a framering-producer\n", stderr);
  }
  return ExitCode::ok;
}

}  // namespace

void add_stat(CLI::App& app, CommandLine& line) {
  CLI::App* command =
      app.add_subcommand("stat", "Show every counter of a stream (of all, without a name)");
  const auto options = std::make_shared<Options>();
  command->add_option("stream", options->stream, "such as hdmi/h264")->type_name("STREAM");
  command->add_flag("--json", options->json, "an array with an object for each stream");
  command->callback([&line, options] {
    line.run = [&line, options] { return show(line.socket_dir, *options); };
  });
  finish_command(*command, line, "",
                 "  framering stat hdmi/h264\n"
                 "  framering stat --json | jq '.[].readers[] | {name, lost_lapped}'\n");
}

}  // namespace framering::cli
