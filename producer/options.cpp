// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <bit>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "cli_line.h"
#include "ring_layout.h"
#include "settings.h"
#include "sizes.h"

namespace framering {
namespace {

constexpr const char* kExamples = R"(Examples:
  Numbered, checksummed test frames of 100 KB, 250 a second:
    framering-producer --source pattern --stream test --size 100K --fps 250
  A film, over and over, at its own pace:
    framering-producer --source file --input film.mp4 --stream film --loop
  What another program encodes:
    ffmpeg ... -f h264 - | framering-producer --source stdin --format h264 --stream camera
  A NanoKVM, giving hdmi/h264 and hdmi/mjpeg:
    framering-producer --source kvm --library /kvmapp/kvm_system/dl_lib/libkvm_mmf.so --stream hdmi

It ends with 0 when the source has ended or on SIGTERM, 1 when something failed, 2 on a wrong command
line, 75 when its watchdog ended it: then start it again, or let --supervise do so.)";

const std::map<std::string, SourceKind> kSources = {{"pattern", SourceKind::pattern},
                                                    {"file", SourceKind::file},
                                                    {"stdin", SourceKind::pipe},
                                                    {"kvm", SourceKind::kvm}};
const std::map<std::string, PipeFormat> kFormats = {
    {"h264", PipeFormat::h264}, {"h265", PipeFormat::h265}, {"mjpeg", PipeFormat::mjpeg}};

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw UsageError(option + ": " + why);
}

// The command line as text; numbers are read by ourselves, so that a refusal names option and
// range.
struct Words {
  std::string source, format, history, max_frame, slots, frames, idle, linger, hang, size, fps, gop;
  std::string check_library, width, height, bitrate, min_bitrate, quality, min_quality;
};

struct NumberRange {
  const char* option;
  double min, max;
  const char* unit;
};

double number_in(const std::string& text, const NumberRange& range, bool whole) {
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  char limits[96];
  std::snprintf(limits, sizeof limits, "%.10g..%.10g%s%s", range.min, range.max,
                *range.unit != '\0' ? " " : "", range.unit);
  if (text.empty() || used != text.size() || !std::isfinite(value)) {
    refuse(range.option, "\"" + text + "\" is no number; it takes " + limits);
  }
  if (value < range.min || value > range.max) {
    refuse(range.option, text + " is out of range: " + limits);
  }
  if (whole && value != std::floor(value)) {
    refuse(range.option, text + " is no whole number; it takes " + limits);
  }
  return value;
}

template <typename Number>
void read_whole(const std::string& text, const NumberRange& range, Number& into) {
  if (!text.empty()) into = static_cast<Number>(number_in(text, range, true));
}

std::uint64_t size_in(const char* option, const std::string& text, std::uint64_t min,
                      std::uint64_t max) {
  const auto bytes = parse_size(text);
  const std::string limits = std::to_string(min) + ".." + std::to_string(max) + " bytes";
  if (!bytes) {
    refuse(option, "\"" + text + "\" is no size such as 65536, 64K or 4M; it takes " + limits);
  }
  if (*bytes < min || *bytes > max) refuse(option, text + " is out of range: " + limits);
  return *bytes;
}

void read_common(const Words& words, Options& options) {
  if (!words.history.empty()) {
    options.history_bytes = size_in("--history", words.history, 64u << 10, kMaxArenaBytes);
  }
  if (!words.max_frame.empty()) {
    options.max_frame_bytes =
        size_in("--max-frame", words.max_frame, 1024, kMaxArenaBytes / kMaxFrameDivisor);
  }
  if (options.history_bytes && options.max_frame_bytes &&
      *options.max_frame_bytes * kMaxFrameDivisor > *options.history_bytes) {
    refuse("--max-frame", "a frame may be at most a quarter of --history (" +
                              std::to_string(*options.history_bytes) + " bytes): give --history " +
                              std::to_string(*options.max_frame_bytes * kMaxFrameDivisor) +
                              " or more");
  }
  read_whole(words.slots, {"--slots", 4, kMaxSlotCount, "frames"}, options.slots);
  if (!std::has_single_bit(options.slots)) {
    refuse("--slots", words.slots + " is no power of two, such as " +
                          std::to_string(std::bit_ceil(options.slots)));
  }
  read_whole(words.frames, {"--frames", 0, 1e15, "frames"}, options.frames);
  const auto seconds = [](const std::string& text, const char* option, double min, double& into) {
    if (!text.empty()) into = number_in(text, {option, min, 86400, "s"}, false);
  };
  seconds(words.idle, "--idle-seconds", 0, options.idle_seconds);
  seconds(words.linger, "--linger-seconds", 0, options.linger_seconds);
  seconds(words.hang, "--hang-seconds", 2, options.hang_seconds);
}

void read_pattern(const Words& words, Options& options) {
  if (!words.size.empty()) {
    options.size = size_in("--size", words.size, 24, kMaxArenaBytes / kMaxFrameDivisor);
  }
  if (options.max_frame_bytes && options.size > *options.max_frame_bytes) {
    refuse("--size", std::to_string(options.size) + " bytes are more than --max-frame allows (" +
                         std::to_string(*options.max_frame_bytes) + ")");
  }
  if (options.history_bytes && options.size * kMaxFrameDivisor > *options.history_bytes) {
    refuse("--history", "a frame may be at most a quarter of it: " + std::to_string(options.size) +
                            " bytes (--size) need " +
                            std::to_string(options.size * kMaxFrameDivisor) + " or more");
  }
  if (!words.fps.empty()) {
    options.fps =
        number_in(words.fps, {"--fps", 0, kMaxPatternFps, "frames/s (0: unpaced)"}, false);
  }
}

void read_kvm(const Words& words, Options& options) {
  if (options.library.empty()) {
    refuse("--library", "--source kvm needs the path of libkvm_mmf.so");
  }
  read_whole(words.width, {"--width", kMinWidth, kMaxWidth, "pixels"}, options.width);
  read_whole(words.height, {"--height", kMinHeight, kMaxHeight, "pixels"}, options.height);
  Setting size{"--width",
               Setting::Kind::picture_size,
               "pixels",
               pack_size(kMinWidth, kMinHeight),
               pack_size(kMaxWidth, kMaxHeight),
               0,
               kWidthMultiple};
  size.key = "size";
  std::string complaint;
  const std::string picture = std::to_string(options.width) + "x" + std::to_string(options.height);
  if (!parse_setting(size, picture, complaint)) refuse("--width, --height", complaint);
  if (!words.fps.empty()) {
    options.fps = number_in(words.fps, {"--fps", kMinKvmFps, kMaxKvmFps, "frames/s"}, true);
  }
  const NumberRange bitrate{"--bitrate-kbps", kMinBitrate_kbps, kMaxBitrate_kbps, "kbit/s"};
  read_whole(words.bitrate, bitrate, options.bitrate_kbps);
  const NumberRange floor{"--min-bitrate-kbps", kMinBitrate_kbps, kMaxBitrate_kbps, "kbit/s"};
  read_whole(words.min_bitrate, floor, options.min_bitrate_kbps);
  read_whole(words.quality, {"--quality", kMinQuality, kMaxQuality, ""}, options.quality);
  read_whole(words.min_quality, {"--min-quality", kMinQuality, kMaxQuality, ""},
             options.min_quality);
}

// Options that mean something to some sources only; silence would hide a mistake.
struct Ownership {
  const char* option;
  const char* sources;  // separated by ", "
};
constexpr Ownership kOwners[] = {{"--size", "pattern"},
                                 {"--on-demand", "pattern"},
                                 {"--fps", "pattern, file, kvm"},
                                 {"--gop", "pattern, kvm"},
                                 {"--input", "file"},
                                 {"--loop", "file"},
                                 {"--format", "stdin"},
                                 {"--library", "kvm"},
                                 {"--venc-library", "kvm"},
                                 {"--width", "kvm"},
                                 {"--height", "kvm"},
                                 {"--bitrate-kbps", "kvm"},
                                 {"--min-bitrate-kbps", "kvm"},
                                 {"--quality", "kvm"},
                                 {"--min-quality", "kvm"}};

void refuse_foreign(const CLI::App& app, const std::string& source) {
  for (const Ownership& owned : kOwners) {
    if (app.count(owned.option) == 0) continue;
    if (std::string(owned.sources).find(source) != std::string::npos) continue;
    refuse(owned.option,
           "means nothing to --source " + source + "; it belongs to " + owned.sources);
  }
}

void declare(CLI::App& app, Words& words, Options& options) {
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("framering-producer ") + FRAMERING_VERSION);
  app.add_option("--source", words.source, "pattern, file, stdin or kvm (needed)");
  app.add_option("--stream", options.stream,
                 "name; kvm makes NAME/h264 and NAME/mjpeg of it (needed)");
  app.add_option("--socket-dir", options.socket_dir,
                 "where the broker's sockets are (FRAMERING_DIR, else /run/framering)");
  app.add_option("--history", words.history,
                 "bytes of frames kept (4M; raw pictures over 1 MiB: 6 frames); K, M, G");
  app.add_option("--max-frame", words.max_frame, "largest frame (a quarter of --history); K, M, G");
  app.add_option("--slots", words.slots, "most frames kept, a power of two (256)");
  app.add_option("--frames", words.frames, "end after so many pictures (0: go on)");
  app.add_option("--idle-seconds", words.idle,
                 "stop capturing after nobody wanted anything for so long (10); kvm, --on-demand");
  app.add_option("--linger-seconds", words.linger,
                 "after the end, serve readers so long at most (1)");
  app.add_option("--hang-seconds", words.hang,
                 "end when one step, such as a vendor call, takes longer (5)");
  app.add_flag("--supervise", options.supervise, "start again after a crash (without systemd)");

  app.add_option("--size", words.size, "pattern: bytes a frame (100000); K, M, G");
  app.add_option("--fps", words.fps,
                 "pattern: frames a second, 0 for unpaced (30); kvm: 1..60 (30); file: pace of "
                 "streams without time stamps");
  app.add_option("--gop", words.gop, "key frame every so many: pattern (1), kvm 1..100 (30)");
  app.add_flag("--on-demand", options.on_demand, "pattern: only while somebody wants it");
  app.add_option("--input", options.input,
                 "file: H.264 or H.265 (Annex B, MP4, MKV), MJPEG or JPEG");
  app.add_flag("--loop", options.loop, "file: start over at its end");
  app.add_option("--format", words.format, "stdin: h264, h265 or mjpeg");
  app.add_option("--library", options.library, "kvm: path of libkvm_mmf.so");
  app.add_option("--venc-library", options.venc_library, "kvm: libvenc.so, if not beside it");
  app.add_option("--check-library", words.check_library,
                 "say what that libkvm_mmf.so lacks, and end");
  app.add_option("--width", words.width, "kvm: pixels, a multiple of 64 (1280)");
  app.add_option("--height", words.height, "kvm: pixels (720)");
  app.add_option("--bitrate-kbps", words.bitrate, "kvm: H.264, 500..10000 (3000)");
  app.add_option("--min-bitrate-kbps", words.min_bitrate, "kvm: rate control stays above it (500)");
  app.add_option("--quality", words.quality, "kvm: JPEG, 51..99 (80)");
  app.add_option("--min-quality", words.min_quality, "kvm: rate control stays above it (51)");
}

Options make_sense(const CLI::App& app, const Words& words, Options options);

}  // namespace

Options parse_options(int argc, const char* const* argv) {
  CLI::App app{"Publishes video frames into shared memory for any number of readers.",
               "framering-producer"};
  Words words;
  Options options;
  declare(app, words, options);
  const ConfigTable table{"producer", true};
  add_config_options(app, table);
  ConfiguredLine line(argc, argv, with_keys(table, app));
  try {
    parse(app, line);
  } catch (const CLI::CallForHelp&) {
    throw HelpWanted(app.help());
  } catch (const CLI::CallForVersion&) {
    throw HelpWanted(std::string("framering-producer ") + FRAMERING_VERSION + "\n");
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  try {
    options = make_sense(app, words, std::move(options));
  } catch (const UsageError& error) {
    throw UsageError(line.locate(error.what()));
  }
  if (line.was_check_only()) throw HelpWanted("");
  options.config = line.values();
  return options;
}

namespace {

Options make_sense(const CLI::App& app, const Words& words, Options options) {
  if (!words.check_library.empty()) {
    options.check_library = true;
    options.library = words.check_library;
    return options;
  }
  if (words.source.empty()) refuse("--source", "is needed: pattern, file, stdin or kvm");
  if (options.stream.empty()) refuse("--stream", "is needed: the name to publish under");
  const auto source = kSources.find(words.source);
  if (source == kSources.end()) {
    refuse("--source", "\"" + words.source + "\" is none of pattern, file, stdin, kvm");
  }
  options.source = source->second;
  refuse_foreign(app, words.source);
  read_common(words, options);
  if (!words.gop.empty()) {
    const double most = options.source == SourceKind::kvm ? kMaxGop : 100'000;
    options.gop =
        static_cast<std::uint32_t>(number_in(words.gop, {"--gop", kMinGop, most, "frames"}, true));
  }
  switch (options.source) {
    case SourceKind::pattern:
      read_pattern(words, options);
      break;
    case SourceKind::file:
      if (options.input.empty()) refuse("--input", "--source file needs the path of a file");
      if (!words.fps.empty()) {
        options.fps = number_in(words.fps, {"--fps", 0.01, 1000, "frames/s"}, false);
      }
      break;
    case SourceKind::pipe: {
      const auto format = kFormats.find(words.format);
      if (format == kFormats.end()) {
        refuse("--format", words.format.empty()
                               ? "--source stdin needs h264, h265 or mjpeg"
                               : "\"" + words.format + "\" is none of h264, h265, mjpeg");
      }
      options.format = format->second;
      break;
    }
    case SourceKind::kvm:
      read_kvm(words, options);
      break;
  }
  return options;
}

}  // namespace

void apply(const Options& options, WriterOptions& writer) {
  writer.socket_dir = options.socket_dir;
  writer.program = std::string("framering-producer ") + FRAMERING_VERSION;
  writer.slot_count = options.slots;
  if (options.max_frame_bytes) writer.max_frame_bytes = *options.max_frame_bytes;
  if (options.history_bytes) {
    writer.history_bytes = *options.history_bytes;
    if (!options.max_frame_bytes) writer.max_frame_bytes = 0;
  } else if (writer.max_frame_bytes * kMaxFrameDivisor > writer.history_bytes) {
    writer.history_bytes = writer.max_frame_bytes * kMaxFrameDivisor;
  }
}

}  // namespace framering
