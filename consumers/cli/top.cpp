// SPDX-License-Identifier: Apache-2.0
//
// framering top: what flows, refreshed each second.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>

#include "commands.h"
#include "control/names.h"
#include "control/operator_client.h"
#include "rates.h"
#include "stop_signal.h"
#include "streams.h"
#include "table.h"
#include "terminal.h"

namespace framering::cli {

namespace {

constexpr int kLooks = 5;  // for key frames, between two samples
constexpr std::chrono::milliseconds kPeriod{1000};

struct Options {
  bool once = false;
  bool json = false;
};

std::vector<StreamStat> stat_all(OperatorClient& client) {
  std::vector<StreamStat> stats;
  for (const StreamInfo& stream : list_streams(client)) {
    try {
      stats.push_back(client.stat(stream.name));
    } catch (const OperatorError& error) {
      if (error.kind() != OperatorError::Kind::refused) throw;  // else: gone since it was listed
    }
  }
  return stats;
}

std::string key_text(const StreamRates& stream) {
  if (stream.key_interval == 0) return "-";
  if (stream.key_interval == 1) return "all";
  const auto frames = static_cast<double>(stream.key_interval);
  std::string text = std::to_string(stream.key_interval) + " fr";
  if (stream.fps > 0) text += " " + seconds_text(frames / stream.fps);
  return text;
}

Table stream_table(const std::vector<StreamRates>& streams) {
  Table table({{"STREAM"},
               {"CODEC", Align::left, 2},
               {"SIZE", Align::right, 1},
               {"STATE"},
               {"FPS", Align::right},
               {"BITRATE", Align::right},
               {"KEY EVERY", Align::right},
               {"FRAMES", Align::right, 3},
               {"HISTORY", Align::right, 4},
               {"READERS", Align::right}});
  for (const StreamRates& stream : streams) {
    const StreamInfo& info = stream.stat.stream;
    table.add({info.name, codec_name(info.codec), size_text(info.width, info.height),
               to_string(info.state), rate_text(stream.fps), bitrate_text(stream.bits_per_second),
               key_text(stream), std::to_string(info.head), bytes_text(info.arena_bytes),
               std::to_string(stream.stat.readers.size())});
  }
  return table;
}

Table reader_table(const std::vector<StreamRates>& streams) {
  Table table({{"STREAM"},
               {"READER"},
               {"PID", Align::right, 2},
               {"BELL", Align::left, 1},
               {"FPS", Align::right},
               {"LAG", Align::right},
               {"LAPPED", Align::right},
               {"SKIPPED", Align::right},
               {"NO KEY", Align::right},
               {"REVOKED", Align::right, 3},
               {"BACKLOG", Align::right, 4}});
  for (const StreamRates& stream : streams) {
    for (const ReaderRates& reader : stream.readers) {
      const ReaderInfo& info = reader.info;
      table.add({stream.stat.stream.name, info.name, std::to_string(info.pid), to_string(info.bell),
                 info.demand ? rate_text(reader.fps) : "paused", std::to_string(reader.lag) + " fr",
                 std::to_string(info.lost_lapped), std::to_string(info.lost_skipped),
                 std::to_string(info.lost_undecodable), std::to_string(info.leases_revoked),
                 std::to_string(info.backlog_frames) + " fr " + bytes_text(info.backlog_bytes)});
    }
  }
  return table;
}

std::vector<std::string> page(const std::vector<StreamRates>& streams, std::size_t width) {
  std::size_t readers = 0;
  for (const StreamRates& stream : streams) readers += stream.readers.size();
  char clock[16] = "";
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(clock, sizeof clock, "%H:%M:%S", ::localtime_r(&now, &local));

  std::vector<std::string> lines = {std::string("framering  ") + clock + "  " +
                                        std::to_string(streams.size()) + " streams, " +
                                        std::to_string(readers) + " readers",
                                    ""};
  const auto append = [&](const Table& table) {
    for (std::string& line : table.lines(width)) lines.push_back(std::move(line));
  };
  if (streams.empty()) {
    lines.emplace_back("no streams yet: start a framering-producer");
    return lines;
  }
  append(stream_table(streams));
  if (readers != 0) {
    lines.emplace_back();
    append(reader_table(streams));
  }
  return lines;
}

nlohmann::ordered_json to_json(const std::vector<StreamRates>& streams) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const StreamRates& stream : streams) {
    nlohmann::ordered_json json = cli::to_json(stream.stat);
    json["fps"] = stream.fps;
    json["bits_per_second"] = stream.bits_per_second;
    json["key_interval_frames"] = stream.key_interval;
    for (std::size_t i = 0; i < stream.readers.size(); ++i) {
      json["readers"][i]["fps"] = stream.readers[i].fps;
      json["readers"][i]["lag_frames"] = stream.readers[i].lag;
    }
    all.push_back(std::move(json));
  }
  return all;
}

// Lets one period pass, with a look at the key frames now and then. False: the user wants to quit.
bool wait_one_period(OperatorClient& client, Rates& rates, bool keys) {
  for (int look = 0; look < kLooks; ++look) {
    if (keys) {
      const char key = Terminal::key(kPeriod / kLooks);
      if (key == 'q' || key == 'Q') return false;
    } else {
      std::this_thread::sleep_for(kPeriod / kLooks);
    }
    if (stop_requested()) return false;
    rates.look(list_streams(client));
  }
  return true;
}

ExitCode print_once(const std::string& socket_dir, bool json) {
  OperatorClient client(socket_dir);
  Rates rates;
  (void)rates.sample(stat_all(client));
  if (!wait_one_period(client, rates, false)) return ExitCode::ok;
  const std::vector<StreamRates> streams = rates.sample(stat_all(client));
  if (json) {
    print_json(to_json(streams));
    return ExitCode::ok;
  }
  const std::size_t width = ::isatty(STDOUT_FILENO) != 0 ? Terminal::size().columns : 0;
  for (const std::string& line : page(streams, width)) std::printf("%s\n", line.c_str());
  return ExitCode::ok;
}

// Shows samples until the user quits; OperatorError when the broker is lost.
void show_samples(Terminal& terminal, const std::string& socket_dir) {
  OperatorClient client(socket_dir);
  Rates rates;
  do {
    std::vector<std::string> lines = page(rates.sample(stat_all(client)), Terminal::size().columns);
    lines[0] += "  (q quits)";
    terminal.show(lines);
  } while (wait_one_period(client, rates, true));
}

ExitCode watch(const std::string& socket_dir) {
  (void)OperatorClient(socket_dir);  // no broker at the start is an error, later it is news
  catch_stop_signals();
  Terminal terminal;
  for (;;) {
    try {
      show_samples(terminal, socket_dir);
      return ExitCode::ok;
    } catch (const OperatorError& error) {
      terminal.show({"framering  (q quits)", "", printable(error.what()), "trying again ..."});
    }
    const char key = Terminal::key(kPeriod);
    if (stop_requested() || key == 'q' || key == 'Q') return ExitCode::ok;
  }
}

}  // namespace

void add_top(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("top", "Watch rates, lags and losses, each second");
  const auto options = std::make_shared<Options>();
  command->add_flag("--once", options->once,
                    "print one sample after a second (default when stdout is no terminal)");
  command->add_flag("--json", options->json, "print one sample as JSON, as `stat` with rates");
  command->callback([&line, options] {
    line.run = [&line, options] {
      const bool once = options->once || options->json || ::isatty(STDOUT_FILENO) == 0;
      return once ? print_once(line.socket_dir, options->json) : watch(line.socket_dir);
    };
  });
  finish_command(
      *command, line,
      "q or Ctrl-C quits. LAG is how far a reader is behind the newest frame. Lost frames by\n"
      "cause: LAPPED, overwritten before they came; SKIPPED, by the reader's policy; NO KEY,\n"
      "not decodable after another loss; REVOKED, leases. BACKLOG waits behind the reader.\n\n",
      "  framering top\n"
      "  framering top --json | jq '.[] | {name, fps}'\n");
}

}  // namespace framering::cli
