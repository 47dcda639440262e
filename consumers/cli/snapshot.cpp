// SPDX-License-Identifier: Apache-2.0
//
// framering snapshot: the newest picture of a stream as an image file. Reads what is in the ring;
// only when there is nothing in it, it asks the producer for frames.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "commands.h"
#include "control/operator_client.h"
#include "control/stream_reader.h"
#include "picture.h"
#include "ring/clock.h"
#include "ring/fd.h"
#include "stop_signal.h"
#include "streams.h"
#include "table.h"
#include "waiting.h"

namespace framering::cli {

namespace {

using namespace std::chrono_literals;

constexpr double kFreshSeconds = 2;  // an MJPEG frame of that age is preferred to decoding H.264
constexpr std::chrono::milliseconds kWait = 100ms;

struct Options {
  std::string stream;  // or a group of them: "hdmi" is hdmi/mjpeg or hdmi/h264
  std::string output;
  double timeout_s = 5;
  double max_age_s = 0;  // 0: any
};

ImageFormat format_of(const std::string& output) {
  std::string extension = std::filesystem::path(output).extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (output == "-" || extension == ".jpg" || extension == ".jpeg") return ImageFormat::jpeg;
  if (extension == ".png") return ImageFormat::png;
  throw CommandError(ExitCode::usage,
                     "cannot tell the image format of '" + output +
                         "': end it in .jpg or .png, or give - for a JPEG on stdout");
}

// The stream of that name, or those of the group: first what needs no decoding.
std::vector<StreamInfo> candidates(const std::vector<StreamInfo>& streams,
                                   const std::string& name) {
  std::vector<StreamInfo> group;
  for (const StreamInfo& stream : streams) {
    if (stream.name == name) return {stream};
    if (stream.name.starts_with(name + "/") && stream.codec != kCodecPattern) {
      group.push_back(stream);
    }
  }
  if (group.empty()) return {find_stream(streams, name)};  // throws: says which there are
  std::stable_partition(group.begin(), group.end(),
                        [](const StreamInfo& s) { return s.codec == kCodecMjpeg; });
  return group;
}

// One stream, read without any wish to its producer until want_frames().
class Source {
 public:
  Source(const std::string& stream, const Options& options, const std::string& socket_dir)
      : reader_({.stream = stream,
                 .socket_dir = socket_dir,
                 .name = "framering snapshot",
                 .policy = Policy::newest,
                 .start = Start::key,
                 .demand = false}),
        waiting_(stream, socket_dir),
        stream_(stream),
        timeout_s_(options.timeout_s) {}

  // The newest key frame in the ring, if there is one.
  [[nodiscard]] bool look() {
    const std::uint64_t begin_ns = monotonic_ns();
    for (;;) {
      const bool attached = reader_.link() == Link::attached;
      if (take_key(0)) return true;
      if (attached) return false;
      check_time(begin_ns);
      if (take_key(0, kWait)) return true;
    }
  }

  // Asks the producer for frames and waits for a key frame.
  void want_frames() {
    const std::uint64_t begin_ns = monotonic_ns();
    reader_.set_demand(true);
    while (!take_key(begin_ns, kWait)) check_time(begin_ns);
  }

  [[nodiscard]] double age_s() const {
    const std::uint64_t now_ns = monotonic_ns();
    return now_ns > published_ns_ ? static_cast<double>(now_ns - published_ns_) / 1e9 : 0;
  }
  [[nodiscard]] bool has_picture() const { return !picture_.bytes.empty(); }
  [[nodiscard]] Picture& picture() { return picture_; }
  [[nodiscard]] const std::string& stream() const { return stream_; }

 private:
  // Keeps the next key frame that was published at `since_ns` or later.
  bool take_key(std::uint64_t since_ns, std::chrono::nanoseconds wait = 0ns) {
    Frame frame;
    for (;;) {
      const ReadResult result = reader_.next(frame, wait);
      if (result == ReadResult::refused) {
        throw CommandError(ExitCode::refused, reader_.refusal());
      }
      if (result != ReadResult::frame) return false;
      if (frame.key() && frame.published_ns >= since_ns) break;
      if (stop_requested()) return false;
    }
    published_ns_ = frame.published_ns;
    picture_.codec = frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
    picture_.meta = frame.meta;
    picture_.bytes.assign(frame.bytes.begin(), frame.bytes.end());
    picture_.parameter_sets.clear();
    if (frame.meta.parameter_set != 0 && (frame.meta.flags & kFrameHasParameters) == 0) {
      picture_.parameter_sets = reader_.parameter_set(frame.meta.parameter_set);
    }
    return true;
  }

  void check_time(std::uint64_t begin_ns) const {
    const bool late = static_cast<double>(monotonic_ns() - begin_ns) / 1e9 >= timeout_s_;
    if (late || stop_requested()) waiting_.give_up(reader_, timeout_s_);
  }

  StreamReader reader_;
  const Waiting waiting_;
  const std::string stream_;
  const double timeout_s_;
  std::uint64_t published_ns_ = 0;
  Picture picture_;
};

Picture newest_picture(const std::string& socket_dir, const Options& options) {
  OperatorClient client(socket_dir);
  const auto streams = candidates(list_streams(client), options.stream);
  std::vector<std::unique_ptr<Source>> sources;
  Source* best = nullptr;
  for (const StreamInfo& stream : streams) {
    Source& source =
        *sources.emplace_back(std::make_unique<Source>(stream.name, options, socket_dir));
    if (!source.look()) continue;
    if (best == nullptr || source.age_s() < best->age_s()) best = &source;
    if (source.age_s() <= kFreshSeconds) break;
  }

  if (best == nullptr || (options.max_age_s > 0 && best->age_s() > options.max_age_s)) {
    best = sources.front().get();
    std::fprintf(stderr,
                 "framering: %s has no such frame in its ring: asking its producer for one\n",
                 printable(best->stream()).c_str());
    best->want_frames();
  }
  if (best->age_s() > kFreshSeconds) {
    std::fprintf(stderr, "framering: the newest key frame of %s is %s old\n",
                 printable(best->stream()).c_str(), seconds_text(best->age_s()).c_str());
  }
  return std::move(best->picture());
}

[[noreturn]] void fail_writing(const std::string& path, int error) {
  throw std::system_error(error, std::generic_category(), "cannot write " + path);
}

void write_all(int fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) fail_writing(path, errno);
    if (count > 0) bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

// Whoever looks at `path` sees the picture before or this one, never half of it.
void replace_file(const std::string& path, std::span<const std::byte> bytes) {
  std::string temporary = path + ".XXXXXX";
  const Fd file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) fail_writing(path, errno);
  try {
    const mode_t mask = ::umask(0);  // the only way to ask for it
    ::umask(mask);
    if (::fchmod(file.get(), 0666 & ~mask) != 0) fail_writing(path, errno);
    write_all(file.get(), path, bytes);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_writing(path, errno);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

ExitCode snapshot(const std::string& socket_dir, const Options& options) {
  const ImageFormat format = format_of(options.output);
  catch_stop_signals();
  const std::vector<std::byte> image = encode_image(newest_picture(socket_dir, options), format);
  if (options.output == "-") {
    write_all(STDOUT_FILENO, "stdout", image);
  } else {
    replace_file(options.output, image);
  }
  return ExitCode::ok;
}

}  // namespace

void add_snapshot(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("snapshot", "Save the newest picture of a stream");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("stream", options->stream,
                   "such as hdmi/h264; or a group: hdmi is hdmi/mjpeg\n"
                   "while its frame is fresh, else hdmi/h264")
      ->type_name("STREAM")
      ->required();
  command->add_option("-o,--output", options->output, "x.jpg, x.png, or - for a JPEG on stdout")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--max-age", options->max_age_s,
                   "when the newest frame is older, ask for a new one\n"
                   "(default: any age will do)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  command->add_option("--timeout", options->timeout_s, "give up after (default: 5)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  command->callback([&line, options] {
    line.run = [&line, options] { return snapshot(line.socket_dir, *options); };
  });
  finish_command(
      *command, line,
      "Reads what is in the ring and changes nothing for others. Only when no frame is\n"
      "there, the producer is asked for some (a stream that nobody watches begins to be\n"
      "encoded), and a line on stderr says so. Of H.264 and H.265, the newest key frame\n"
      "is decoded.\n\n",
      "  framering snapshot hdmi -o now.jpg\n"
      "  framering snapshot hdmi/h264 -o now.png\n");
}

}  // namespace framering::cli
