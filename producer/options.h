// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "configured_line.h"
#include "control/stream_writer.h"

namespace framering {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;  // the supervisor does not try again

enum class SourceKind : std::uint8_t { pattern, file, pipe, kvm };
enum class PipeFormat : std::uint8_t { h264, h265, mjpeg };

// What the vendor's encoder accepts (DESIGN.md, the vendor library).
inline constexpr std::uint32_t kMinGop = 1, kMaxGop = 100;
inline constexpr std::uint32_t kMinBitrate_kbps = 500, kMaxBitrate_kbps = 10000;
inline constexpr std::uint32_t kMinQuality = 51, kMaxQuality = 99;
inline constexpr std::uint32_t kMinKvmFps = 1, kMaxKvmFps = 60;
inline constexpr std::uint32_t kMinWidth = 64, kMaxWidth = 2560;
inline constexpr std::uint32_t kMinHeight = 64, kMaxHeight = 1600;
// Its JPEG encoder works on a copy, which garbles every width that is no multiple of 64.
inline constexpr std::uint32_t kWidthMultiple = 64;
inline constexpr std::uint32_t kMaxPatternFps = 100'000;

struct Options {
  SourceKind source = SourceKind::pattern;
  std::string stream;
  std::string socket_dir;
  std::optional<std::uint64_t> history_bytes;
  std::optional<std::uint64_t> max_frame_bytes;
  std::uint32_t slots = 256;
  std::uint64_t frames = 0;  // end after so many pictures; 0: no limit
  double idle_seconds = 10;
  double linger_seconds = 1;
  double hang_seconds = 5;
  bool supervise = false;

  // pattern
  std::uint64_t size = 100'000;  // bytes
  bool on_demand = false;

  // file, pipe
  std::string input;
  bool loop = false;
  PipeFormat format = PipeFormat::h264;

  // kvm
  std::string library;
  std::string venc_library;    // empty: libvenc.so beside `library`
  bool check_library = false;  // say what `library` lacks, and end
  std::uint32_t width = 1280;
  std::uint32_t height = 720;
  std::uint32_t bitrate_kbps = 3000;
  std::uint32_t min_bitrate_kbps = kMinBitrate_kbps;  // rate control does not go below
  std::uint32_t quality = 80;
  std::uint32_t min_quality = kMinQuality;

  // several
  std::optional<double> fps;         // pattern 30 (0: as fast as it can), kvm 30, file: as it says
  std::optional<std::uint32_t> gop;  // pattern 1, kvm 30

  ConfigValues config;  // what of this a configuration file said
};

// The command line is wrong; the text names the option and what it takes.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// --help or --version was asked for; the text is the answer.
class HelpWanted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[nodiscard]] Options parse_options(int argc, const char* const* argv);

// What the operator chose, into what the source wants its stream to be.
void apply(const Options& options, WriterOptions& writer);

}  // namespace framering
