// SPDX-License-Identifier: Apache-2.0
#include "sources/stdin.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include "output.h"
#include "ring/clock.h"

namespace framering {
namespace {

constexpr std::uint64_t kSilence_ns = 2'000'000'000;  // after this long there is no signal
constexpr std::uint64_t kPatience_bytes = 64u << 20;  // to find a first picture in

const char* name_of(PipeFormat format) {
  if (format == PipeFormat::mjpeg) return "JPEG";
  return format == PipeFormat::h264 ? "H.264" : "H.265";
}

std::uint32_t codec_of(PipeFormat format) {
  if (format == PipeFormat::mjpeg) return kCodecMjpeg;
  return format == PipeFormat::h264 ? kCodecH264 : kCodecH265;
}

bool readable(int fd) {
  pollfd asked{fd, POLLIN, 0};
  return ::poll(&asked, 1, 0) == 1;
}

[[noreturn]] void refuse_garbage(PipeFormat format, std::uint64_t bytes) {
  if (bytes == 0) throw std::runtime_error("stdin: ended without a single byte");
  std::string text = "stdin: no " + std::string(name_of(format)) + " picture to begin with in " +
                     std::to_string(bytes) + " bytes; ";
  text += format == PipeFormat::mjpeg
              ? "--format mjpeg takes JPEG pictures one after the other"
              : "--format takes an Annex-B stream with SPS, PPS and a key frame (MP4 and the like: "
                "--source file, or ffmpeg -bsf:v h264_mp4toannexb)";
  throw std::runtime_error(text);
}

}  // namespace

StdinSource::StdinSource(const Options& options, StopSignal& stop)
    : stream_(options.stream), format_(options.format), stop_(stop), read_ns_(monotonic_ns()) {}

std::vector<WriterOptions> StdinSource::streams() {
  WriterOptions stream;
  stream.stream = stream_;
  stream.codec = codec_of(format_);
  stream.inter_coded = format_ != PipeFormat::mjpeg;
  stream.settings = &board_;
  return {stream};
}

void StdinSource::read_more(Output& output) {
  const std::array<int, 1> input{STDIN_FILENO};
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns - read_ns_ >= kSilence_ns) output.set_state(SourceState::no_signal);
  // Never a read(2) that could block: a stop signal must be seen. (The descriptor stays as it is:
  // O_NONBLOCK would change it for the program at the other end of a terminal, too.)
  (void)stop_.wait_until(now_ns + kSilence_ns, input);
  if (stop_.requested() || !readable(STDIN_FILENO)) return;
  const std::span<std::byte> window = splitter_->window();
  const ssize_t count = ::read(STDIN_FILENO, window.data(), window.size());
  if (count < 0) {
    if (errno == EINTR || errno == EAGAIN) return;
    throw std::system_error(errno, std::generic_category(), "stdin");
  }
  read_ns_ = monotonic_ns();
  if (count == 0) {
    ended_ = true;
    splitter_->end_of_input();
    return;
  }
  bytes_read_ += static_cast<std::uint64_t>(count);
  splitter_->wrote(static_cast<std::size_t>(count));
}

Source::Step StdinSource::step(std::span<Output> outputs) {
  Output& output = outputs.front();
  if (!splitter_) splitter_ = std::make_unique<PictureSplitter>(format_, output.max_frame_bytes());
  std::span<const std::byte> picture;
  switch (splitter_->next(picture)) {
    case PictureSplitter::Found::nothing:
      if (ended_) {
        finish(output);
        return Step::ended;
      }
      if (output.pictures() == 0 && bytes_read_ > kPatience_bytes) {
        refuse_garbage(format_, bytes_read_);
      }
      read_more(output);
      return Step::more;
    case PictureSplitter::Found::too_large:
      output.skipped(output.max_frame_bytes() + 1);
      return Step::more;
    case PictureSplitter::Found::picture:
      break;
  }
  FrameMeta meta;
  meta.captured_ns = read_ns_;
  meta.encoded_ns = read_ns_;
  // One read may bring several pictures; their time stamps grow all the same.
  stamp_us_ = std::max(static_cast<std::int64_t>(read_ns_ / 1000), stamp_us_ + 1);
  meta.pts = meta.dts = stamp_us_;
  const std::array<Output::Bytes, 1> pieces{picture};
  if (output.publish(pieces, meta) == Output::Published::yes) output.set_state(SourceState::live);
  return Step::more;
}

void StdinSource::finish(const Output& output) const {
  if (output.pictures() == 0) refuse_garbage(format_, bytes_read_);
  if (splitter_->garbage_bytes() > 0) {
    std::fprintf(stderr, "framering-producer: stdin: %llu bytes belonged to no picture\n",
                 static_cast<unsigned long long>(splitter_->garbage_bytes()));
  }
  if (format_ == PipeFormat::mjpeg && splitter_->leftover_bytes() > 0) {
    throw std::runtime_error("stdin: ended in the middle of a picture; its " +
                             std::to_string(splitter_->leftover_bytes()) +
                             " bytes were not published");
  }
}

}  // namespace framering
