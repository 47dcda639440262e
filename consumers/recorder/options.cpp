// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <map>
#include <stdexcept>

#include "cli_line.h"

namespace framering::recorder {
namespace {

// What the command line says, before it is known to make sense.
struct Words {
  std::string format = "mp4";
  std::vector<std::string> triggers;
  bool pre_given = false, post_given = false;
};

constexpr const char* kDetails = R"(
Writes to DIR/STREAM-with-dashes_YYYYmmddTHHMMSS.mmm.EXT (times are UTC) and, for each file, a line of
DIR/index.jsonl. Files begin at key frames; a new one begins, too, when size or parameter sets change.
Needs neither broker nor stream to be there at first, and follows both through restarts.

Examples:
  framering-recorder hdmi/h264 --output /var/video --segment-seconds 60 --max-bytes 20G
  framering-recorder hdmi/h264 --output /var/video --trigger operator --pre-seconds 10
  framering trigger hdmi/h264
  framering-recorder cam --output /var/video --trigger motion --motion-bytes 20K --trigger http

It ends on SIGTERM with 0, or 1 if something published by then is not on the disk; 1 on a failure,
2 on a wrong command line or when the ring's history is too short for --pre-seconds.)";

void add_options(CLI::App& app, Options& options, Words& words) {
  StorageOptions& storage = options.storage;
  const auto size = [](CLI::Option* option) {
    option->type_name("BYTES")->transform(CLI::AsSizeValue(false).description(""));
  };
  const auto seconds = [](CLI::Option* option, double least) {
    option->type_name("SECONDS")->check(CLI::Range(least, 1e8).description(""));
  };
  app.add_option("stream,--stream", options.stream, "Such as hdmi/h264")
      ->type_name("STREAM")
      ->required();
  app.add_option("--output", storage.folder, "Folder of the recordings; made if there is none")
      ->type_name("DIR")
      ->required();
  app.add_option("--format", words.format, "mp4 (fragmented), mkv or ts (default: mp4)")
      ->check(CLI::IsMember({"mp4", "mkv", "ts"}).description(""));
  app.add_option("--socket-dir", options.socket_dir,
                 "Where the broker's sockets are (default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");

  seconds(app.add_option("--segment-seconds", options.segment_s,
                         "Begin a new file after so long; 0: never (default: 600)"),
          0);
  app.add_flag("--segment-by-clock", options.segment_by_clock,
               "Begin files at whole multiples of that in the day");
  size(app.add_option("--segment-bytes", options.segment_bytes, "Begin a new file after so much"));
  size(app.add_option("--max-bytes", storage.retention.max_bytes,
                      "Delete this stream's oldest files when all take more, and end each at a\n"
                      "quarter of it; 20G for 20 GiB"));
  seconds(app.add_option("--max-age", storage.retention.max_age_s, "Delete files older than this"),
          1);
  size(app.add_option("--min-free", storage.retention.min_free,
                      "Delete the oldest files when the file system has less space left"));
  seconds(app.add_option("--sync-seconds", storage.sync_s,
                         "fdatasync so often; 0: leave it to the kernel (default: 5)"),
          0);

  app.add_option("--trigger", words.triggers,
                 "Record only around triggers, instead of all the time; repeatable:\n"
                 "operator: framering trigger STREAM\n"
                 "http: POST /trigger at --listen\n"
                 "signal: SIGUSR1\n"
                 "motion: a frame that is no key frame has --motion-bytes or more")
      ->type_name("operator|http|signal|motion")
      ->delimiter(',')
      ->check(CLI::IsMember({"operator", "http", "signal", "motion"}).description(""));
  app.add_option_function<double>(
         "--pre-seconds",
         [&options, &words](double value) {
           options.pre_s = value;
           words.pre_given = true;
         },
         "What was before the trigger, from the ring's history (default: 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  app.add_option_function<double>(
         "--post-seconds",
         [&options, &words](double value) {
           options.post_s = value;
           words.post_given = true;
         },
         "What comes after the last trigger (default: 10)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  size(app.add_option("--motion-bytes", options.motion_bytes, "See --trigger motion"));
  app.add_option("--listen", options.listen,
                 "Loopback address for POST /trigger, GET /status and /metrics\n"
                 "(default: 127.0.0.1:8090 with --trigger http, else none)")
      ->type_name("ADDR:PORT");
  app.set_version_flag("--version", "framering-recorder " FRAMERING_VERSION);
  app.footer(kDetails);
}

void take_words(Options& options, const Words& words) {
  options.container = container_named(words.format).value_or(Container::mp4);
  options.storage.stream = options.stream;
  for (const std::string& word : words.triggers) {
    options.by_operator = options.by_operator || word == "operator";
    options.by_http = options.by_http || word == "http";
    options.by_signal = options.by_signal || word == "signal";
    options.by_motion = options.by_motion || word == "motion";
  }
  if (!options.by_trigger() && (words.pre_given || words.post_given)) {
    throw std::invalid_argument(
        "--pre-seconds and --post-seconds are around a trigger: give --trigger, or leave them out");
  }
  if (options.by_motion != (options.motion_bytes != 0)) {
    throw std::invalid_argument("--trigger motion and --motion-bytes go together");
  }
  if (options.segment_by_clock && options.segment_s <= 0) {
    throw std::invalid_argument("--segment-by-clock needs --segment-seconds");
  }
  if (options.by_http && options.listen.empty()) options.listen = "127.0.0.1:8090";
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app("Records a stream of a broker to files, without encoding it again.",
               "framering-recorder");
  Options options;
  Words words;
  add_options(app, options, words);
  const ConfigTable table{"recorder", true};
  add_config_options(app, table);
  std::optional<ConfiguredLine> line;
  exit_code = 2;
  try {
    line.emplace(argc, argv, with_keys(table, app));
    parse(app, *line);
    take_words(options, words);
    if (line->was_check_only()) {
      exit_code = 0;
      return std::nullopt;
    }
    options.config = line->values();
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) exit_code = 0;
    return std::nullopt;
  } catch (const std::invalid_argument& error) {
    const std::string text = line ? line->locate(error.what()) : error.what();
    std::fprintf(stderr, "framering-recorder: %s\n", text.c_str());
    return std::nullopt;
  }
  return options;
}

}  // namespace framering::recorder
