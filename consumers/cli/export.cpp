// SPDX-License-Identifier: Apache-2.0
//
// framering export: the last seconds of a stream, out of the ring's history, into a file.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "annex_b.h"
#include "commands.h"
#include "control/names.h"
#include "control/stream_reader.h"
#include "muxer.h"
#include "output_file.h"
#include "progress.h"
#include "ring/clock.h"
#include "stop_signal.h"
#include "table.h"
#include "timeline.h"
#include "waiting.h"
#include "wall_clock.h"

namespace framering::cli {

namespace {

struct Options {
  ReaderOptions reader;
  double last_s = 0;
  double timeout_s = 5;
  std::string output;
};

struct Key {
  std::uint64_t number, captured_ns;
};

// Where the key frames of the history lie, and its end.
struct Map {
  std::uint64_t generation = 0;  // whose frames these are
  std::vector<Key> keys{};
  std::uint64_t last = 0;  // number of the newest frame
  std::uint64_t last_ns = 0;
};

std::uint64_t captured(const Frame& frame) {
  return capture_time(frame.meta, frame.published_ns, monotonic_ns());
}

// Looks at all that the ring holds now, without copying.
Map look_around(StreamReader& reader, const Options& options) {
  Waiting waiting(options.reader.stream, options.reader.socket_dir);
  Map map;
  Frame frame;
  const std::uint64_t began_ns = monotonic_ns();
  while (!stop_requested()) {
    // The first one may take its time, the rest is there.
    const auto wait = map.last == 0 ? std::chrono::milliseconds(200) : std::chrono::milliseconds(0);
    switch (reader.lease_next(frame, wait)) {
      case ReadResult::frame:
        if (frame.generation != map.generation) map = {.generation = frame.generation};
        if (frame.key()) map.keys.push_back({frame.number, captured(frame)});
        map.last = frame.number;
        map.last_ns = captured(frame);
        reader.release(frame);
        if (frame.number >= reader.head()) return map;
        break;
      case ReadResult::refused:
        throw CommandError(ExitCode::refused, reader.refusal());
      case ReadResult::timeout:
      case ReadResult::ended:
      case ReadResult::state_changed:
        if (map.last != 0) return map;
        if (static_cast<double>(monotonic_ns() - began_ns) / 1e9 > options.timeout_s) {
          waiting.give_up(reader, options.timeout_s);
        }
        break;
    }
  }
  throw CommandError(ExitCode::failed, "interrupted");
}

// Goes to the last key frame that is old enough, and tells if there is none.
Key go_to_beginning(StreamReader& reader, const Map& map, const Options& options) {
  const auto asked_ns = static_cast<std::uint64_t>(options.last_s * 1e9);
  std::size_t first = 0;
  for (std::size_t i = 0; i < map.keys.size(); ++i) {
    if (map.keys[i].captured_ns + asked_ns <= map.last_ns) first = i;
  }
  while (first < map.keys.size() && !reader.go_to_key(map.keys[first].number)) ++first;
  if (first >= map.keys.size()) {
    throw CommandError(ExitCode::failed, printable(options.reader.stream) +
                                             ": its history holds no key frame any more; start its "
                                             "producer with a larger --history");
  }
  const double there_s = static_cast<double>(map.last_ns - map.keys[first].captured_ns) / 1e9;
  if (there_s + 1e-3 < options.last_s) {
    std::fprintf(stderr,
                 "framering: the history holds %s from a key frame on, not %s; for more, start the "
                 "producer with a larger --history\n",
                 seconds_text(there_s).c_str(), seconds_text(options.last_s).c_str());
  }
  return map.keys[first];
}

MuxerOptions muxer_options(const StreamReader& reader, const Frame& first, const Options& options) {
  MuxerOptions muxer;
  muxer.codec = first.meta.codec != 0 ? first.meta.codec : reader.codec();
  muxer.width = first.meta.width;
  muxer.height = first.meta.height;
  muxer.began_ms = wall_clock_ms(captured(first));
  muxer.title = options.reader.stream;
  std::string extension = std::filesystem::path(options.output).extension().string();
  if (!extension.empty()) extension.erase(0, 1);
  const auto container = container_named(extension);
  if (!container) {
    throw CommandError(ExitCode::usage, "'" + printable(options.output) +
                                            "': its name must end with .mp4, .mkv or .ts");
  }
  muxer.container = *container;
  return muxer;
}

// Reads again from there on, up to what was the newest frame.
void write_clip(StreamReader& reader, const Map& map, const Key& from, const Options& options) {
  std::unique_ptr<Muxer> muxer;
  std::unique_ptr<OutputFile> file;
  Timeline timeline(reader.time_base_num(), reader.time_base_den());
  Progress progress("exporting", map.last - from.number);
  std::vector<std::byte> sets;
  std::uint64_t lost = 0;
  Frame frame;
  for (std::uint64_t number = 0; number < map.last && !stop_requested();) {
    if (reader.next(frame, std::chrono::seconds(1)) != ReadResult::frame) break;
    number = frame.number;
    if (number > map.last || frame.generation != map.generation) break;
    lost += frame.lost_before;
    if (muxer == nullptr) {
      MuxerOptions chosen = muxer_options(reader, frame, options);
      sets = parameter_sets_of(frame.bytes, chosen.codec);
      if (sets.empty()) sets = reader.parameter_set(frame.meta.parameter_set);
      chosen.parameter_sets = sets;
      chosen.scale = timeline.scale();
      muxer = std::make_unique<Muxer>(chosen);
      file = std::make_unique<OutputFile>(options.output);
    }
    muxer->write(frame.bytes, timeline.next(frame.meta, captured(frame)), frame.key());
    file->write(muxer->take());
    progress.at(number - from.number);
  }
  if (stop_requested()) throw CommandError(ExitCode::failed, "interrupted");
  if (muxer == nullptr) throw CommandError(ExitCode::failed, "the history was gone too soon");
  muxer->finish();
  file->write(muxer->take());
  file->keep();
  if (lost != 0) {
    std::fprintf(stderr, "framering: %llu frames were overwritten before they were read\n",
                 static_cast<unsigned long long>(lost));
  }
}

ExitCode export_clip(const Options& options) {
  catch_stop_signals();
  StreamReader reader(options.reader);
  const Map map = look_around(reader, options);
  write_clip(reader, map, go_to_beginning(reader, map, options), options);
  return ExitCode::ok;
}

}  // namespace

void add_export(CLI::App& app, CommandLine& line) {
  CLI::App* command =
      app.add_subcommand("export", "Save the last seconds of a stream, out of its history");
  const auto options = std::make_shared<Options>();
  ReaderOptions& reader = options->reader;
  reader.name = "framering export";
  reader.policy = Policy::every;
  reader.start = Start::oldest;
  command->add_option("stream", reader.stream, "such as hdmi/h264")
      ->type_name("STREAM")
      ->required();
  command
      ->add_option("--last", options->last_s,
                   "at least so many seconds, from a key frame on; or what there is")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""))
      ->required();
  command->add_option("-o,--output", options->output, "a .mp4 (fragmented), .mkv or .ts")
      ->type_name("FILE")
      ->required();
  command->add_option("--timeout", options->timeout_s, "wait so long for the stream (default: 5)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  command->callback([&line, options] {
    line.run = [&line, options] {
      options->reader.socket_dir = line.socket_dir;
      return export_clip(*options);
    };
  });
  finish_command(*command, line,
                 "Needs no recorder: the ring keeps the past, as much of it as the producer's\n"
                 "--history holds. Nothing is encoded again.\n\n",
                 "  framering export hdmi/h264 --last 10 -o clip.mp4\n");
}

}  // namespace framering::cli
