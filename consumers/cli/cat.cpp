// SPDX-License-Identifier: Apache-2.0
//
// framering cat: a stream's frames to stdout or a file, or checked against the pattern source.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "control/names.h"
#include "control/stream_reader.h"
#include "ring/clock.h"
#include "sink.h"
#include "stop_signal.h"
#include "verify.h"
#include "waiting.h"

namespace framering::cli {

namespace {

struct Options {
  ReaderOptions reader;
  std::uint64_t frames = 0;  // 0: until the stream ends
  double timeout_s = 0;      // 0: waits for ever
  bool verify = false;
  bool lease = false;
  bool follow = false;
  std::string output;  // empty: stdout
};

// Short enough that a signal between two waits is not missed for long; long enough to be idle.
constexpr std::chrono::seconds kWait{1};

// What is done with each frame.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // False: enough. The frame is a lease if leases were asked for; not released here.
  [[nodiscard]] virtual bool take(StreamReader& reader, const Frame& frame) = 0;
  // After the last frame; how the command ends.
  [[nodiscard]] virtual ExitCode finish(const ReadCounts& counts) = 0;
};

class Writing : public Receiver {
 public:
  Writing(const std::string& path, bool lease) : sink_(path), lease_(lease) {}

  bool take(StreamReader& reader, const Frame& frame) override {
    std::span<const std::byte> bytes = frame.bytes;
    if (lease_) {  // what has left the process cannot be taken back: copy first, then check
      copy_.assign(bytes.begin(), bytes.end());
      bytes = copy_;
      const bool whole = reader.lease_valid(frame);
      if (!whole || (need_key_ && !frame.key())) {
        ++revoked_;
        need_key_ = true;
        return true;
      }
    }
    need_key_ = false;
    ++frames_;
    return sink_.write(reader, frame, bytes);
  }

  ExitCode finish(const ReadCounts& counts) override {
    if (counts.lost() + revoked_ != 0) {
      const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
      std::fprintf(stderr,
                   "framering: %llu frames written, %llu lost (%llu overwritten before they were "
                   "read, %llu skipped, %llu without their key frame, %llu leases revoked)\n",
                   number(frames_), number(counts.lost() + revoked_), number(counts.lost_lapped),
                   number(counts.lost_skipped), number(counts.lost_undecodable), number(revoked_));
    }
    return ExitCode::ok;
  }

 private:
  Sink sink_;
  const bool lease_;
  std::vector<std::byte> copy_;
  std::uint64_t frames_ = 0;
  std::uint64_t revoked_ = 0;  // and what could not be decoded without them
  bool need_key_ = false;
};

class Verifying : public Receiver {
 public:
  Verifying(std::string stream, std::uint64_t started_ns)
      : stream_(std::move(stream)), verifier_(started_ns) {}

  bool take(StreamReader& reader, const Frame& frame) override {
    if (reader.codec() != kCodecPattern) {
      throw CommandError(ExitCode::usage,
                         stream_ + " is " + codec_name(reader.codec()) +
                             "; --verify is for framering-producer --source pattern");
    }
    CheckedFrame checked = check_frame(frame);
    checked.revoked = !reader.lease_valid(frame);
    checked.now_ns = monotonic_ns();
    verifier_.take(checked);
    return true;
  }

  ExitCode finish(const ReadCounts& counts) override {
    verifier_.finish(counts);
    nlohmann::ordered_json report = {{"stream", stream_}};
    report.update(verifier_.report());
    std::fprintf(stderr, "%s\n", report.dump().c_str());
    return verifier_.good() ? ExitCode::ok : ExitCode::failed;
  }

 private:
  const std::string stream_;
  Verifier verifier_;
};

// Reads until there is enough. Throws CommandError when waiting is over.
void read(StreamReader& reader, const Options& options, Receiver& receiver) {
  Waiting waiting(options.reader.stream, options.reader.socket_dir);
  std::uint64_t left = options.frames;
  std::uint64_t heard_ns = monotonic_ns();
  const auto timeout_ns = static_cast<std::uint64_t>(options.timeout_s * 1e9);

  Frame frame;
  while (!stop_requested()) {
    std::chrono::nanoseconds wait = kWait;
    if (timeout_ns != 0) {
      const std::uint64_t silent_ns = monotonic_ns() - heard_ns;
      if (silent_ns >= timeout_ns) waiting.give_up(reader, options.timeout_s);
      wait = std::min(wait, std::chrono::nanoseconds(timeout_ns - silent_ns));
    }
    switch (options.lease ? reader.lease_next(frame, wait) : reader.next(frame, wait)) {
      case ReadResult::frame: {
        const bool more = receiver.take(reader, frame);
        if (options.lease) reader.release(frame);
        heard_ns = monotonic_ns();  // after a slow pipe: it is the stream that is timed
        if (!more || (left != 0 && --left == 0)) return;
        break;
      }
      case ReadResult::timeout:
        waiting.tell(reader);
        break;
      case ReadResult::state_changed:
        break;
      case ReadResult::ended:
        if (!options.follow) return;
        break;
      case ReadResult::refused:
        throw CommandError(ExitCode::refused, reader.refusal());
    }
  }
}

ExitCode cat(const Options& options) {
  if (options.reader.predictive && options.reader.bell != Bell::futex) {
    throw CommandError(ExitCode::usage, "--predictive goes with --bell futex only");
  }
  const std::uint64_t started_ns = monotonic_ns();
  catch_stop_signals();
  std::unique_ptr<Receiver> receiver;
  if (options.verify) {
    receiver = std::make_unique<Verifying>(options.reader.stream, started_ns);
  } else {
    receiver = std::make_unique<Writing>(options.output, options.lease);
  }

  StreamReader reader(options.reader);
  try {
    read(reader, options, *receiver);
  } catch (const CommandError& error) {
    // A script wants to know what came until then; a torn frame outweighs the time-out.
    if (receiver->finish(reader.counts()) == ExitCode::ok) throw;
    throw CommandError(ExitCode::failed, error.what());
  }
  return receiver->finish(reader.counts());
}

// An option whose value is one of a few words.
template <typename Value>
void add_choice(CLI::App& command, const std::string& option, Value& value,
                const std::vector<std::pair<std::string, Value>>& choices,
                const std::string& help) {
  std::vector<std::string> words;
  std::string type;
  for (const auto& [word, meaning] : choices) {
    words.push_back(word);
    type += (type.empty() ? "" : "|") + word;
  }
  command
      .add_option_function<std::string>(
          option,
          [&value, choices](const std::string& given) {
            for (const auto& [word, meaning] : choices) {
              if (word == given) value = meaning;
            }
          },
          help)
      ->check(CLI::IsMember(words).description(""))
      ->type_name(type);
}

}  // namespace

void add_cat(CLI::App& app, CommandLine& line) {
  CLI::App* command = app.add_subcommand("cat", "Write a stream's frames to stdout, or check them");
  const auto options = std::make_shared<Options>();
  ReaderOptions& reader = options->reader;
  reader.name = "framering cat";
  reader.policy = Policy::every;

  command->add_option("stream", reader.stream, "such as hdmi/h264")
      ->type_name("STREAM")
      ->required();
  command->add_option("--frames", options->frames, "end after so many (default: 0, no limit)")
      ->type_name("N");
  add_choice<Policy>(*command, "--policy", reader.policy,
                     {{"newest", Policy::newest}, {"live", Policy::live}, {"every", Policy::every}},
                     "what to do when too slow (default: every):\n"
                     "newest: jump to the newest frame\n"
                     "live: in order, jump to a key frame when lapped\n"
                     "every: in order, tell what was overwritten");
  add_choice<Start>(*command, "--start", reader.start,
                    {{"key", Start::key}, {"oldest", Start::oldest}, {"head", Start::head}},
                    "where to begin (default: key):\n"
                    "key, oldest: the newest or oldest key frame held\n"
                    "head: the next frame to come");
  add_choice<Bell>(*command, "--bell", reader.bell,
                   {{"futex", Bell::futex}, {"line", Bell::line}, {"eventfd", Bell::eventfd}},
                   "how the producer wakes this reader (default: futex)");
  command->add_flag("--predictive", reader.predictive,
                    "be awake just before each frame is due: less latency\n"
                    "for up to 2 % of a core (with the futex bell)");
  command->add_flag("--lease", options->lease, "use frames in place instead of copying them");
  command->add_flag("--verify", options->verify,
                    "write no frames: check numbers and checksums of\n"
                    "the pattern source, one JSON line on stderr;\n"
                    "exit code 1 on a torn, misplaced or uncounted one");
  command
      ->add_option("--timeout", options->timeout_s,
                   "end when no frame came for so long (default: wait for ever)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e6).description(""));
  command->add_flag("--follow", options->follow,
                    "when the producer has finished, wait for its successor");
  command->add_option("-o,--output", options->output, "write to this file")->type_name("FILE");
  command->callback([&line, options] {
    line.run = [&line, options] {
      options->reader.socket_dir = line.socket_dir;
      return cat(*options);
    };
  });
  finish_command(
      *command, line,
      "Waits for the broker and the stream, through restarts of both; ends when the producer\n"
      "says that the stream has ended. A slow pipe loses frames rather than hold up the\n"
      "producer; how many is told on stderr at the end.\n\n",
      "  framering cat hdmi/h264 | ffplay -\n"
      "  framering cat hdmi/h264 --frames 300 --output clip.h264\n"
      "  framering cat test --verify --frames 1000 --timeout 10\n");
}

}  // namespace framering::cli
