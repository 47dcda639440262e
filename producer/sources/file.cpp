// SPDX-License-Identifier: Apache-2.0
#include "sources/file.h"

extern "C" {
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "output.h"
#include "ring/clock.h"
#include "sources/file_module.h"

namespace framering {
namespace {

constexpr AVRational kNanosecond{1, 1'000'000'000};
constexpr AVRational kMpegTick{1, 90'000};  // of made-up stamps (ISO 13818-1)
constexpr double kUsualFps = 25;
// Matroska leaves out the first DTS of a film with B-frames: this many packets at most (the reorder
// depth of H.264 and H.265 is 16).
constexpr std::size_t kLookAhead = 17;
constexpr std::uint64_t kLateness_ns = 1'000'000'000;

std::string describe(int error) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  (void)av_strerror(error, text.data(), text.size());
  return text.data();
}

std::uint32_t codec_of(AVCodecID id) noexcept {
  switch (id) {
    case AV_CODEC_ID_H264:
      return kCodecH264;
    case AV_CODEC_ID_HEVC:
      return kCodecH265;
    case AV_CODEC_ID_MJPEG:
      return kCodecMjpeg;
    default:
      return 0;
  }
}

}  // namespace

void FreeAv::operator()(AVFormatContext* context) const noexcept {
  avformat_close_input(&context);
}
void FreeAv::operator()(AVBSFContext* context) const noexcept {
  av_bsf_free(&context);
}
void FreeAv::operator()(AVPacket* packet) const noexcept {
  av_packet_free(&packet);
}

FileSource::FileSource(const Options& options, StopSignal& stop)
    : path_(options.input),
      stream_(options.stream),
      loop_(options.loop),
      fps_(options.fps.value_or(0)),
      stop_(stop) {
  av_log_set_level(AV_LOG_FATAL);  // what matters comes out as an exception
  open();
}

FileSource::~FileSource() = default;

void FileSource::open() {
  AVFormatContext* context = nullptr;
  // "file:" keeps a colon in the name from being taken for a protocol.
  int error = avformat_open_input(&context, ("file:" + path_).c_str(), nullptr, nullptr);
  if (error < 0) throw std::runtime_error(path_ + ": " + describe(error));
  format_.reset(context);
  error = avformat_find_stream_info(context, nullptr);
  if (error < 0) throw std::runtime_error(path_ + ": " + describe(error));
  index_ = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index_ < 0) throw std::runtime_error(path_ + ": there is no video in it");
  const AVCodecParameters& video = *context->streams[index_]->codecpar;
  codec_ = codec_of(video.codec_id);
  if (codec_ == 0) {
    throw std::runtime_error(path_ + ": its video is " + avcodec_get_name(video.codec_id) +
                             "; h264, hevc and mjpeg can be published");
  }
  width_ = static_cast<std::uint32_t>(std::max(video.width, 0));
  height_ = static_cast<std::uint32_t>(std::max(video.height, 0));
  for (unsigned i = 0; i < context->nb_streams; ++i) {
    if (static_cast<int>(i) != index_) context->streams[i]->discard = AVDISCARD_ALL;
  }
  if (codec_ != kCodecMjpeg) open_filter();
  choose_time_base();
  drained_ = false;
  dts_seen_ = false;
  packets_ = 0;
}

void FileSource::open_filter() {
  const char* name = codec_ == kCodecH264 ? "h264_mp4toannexb" : "hevc_mp4toannexb";
  const AVStream& video = *format_->streams[index_];
  AVBSFContext* filter = nullptr;
  const AVBitStreamFilter* kind = av_bsf_get_by_name(name);
  int error = kind == nullptr ? AVERROR_BSF_NOT_FOUND : av_bsf_alloc(kind, &filter);
  if (error >= 0) {
    filter_.reset(filter);
    filter->time_base_in = video.time_base;
    error = avcodec_parameters_copy(filter->par_in, video.codecpar);
  }
  if (error >= 0) error = av_bsf_init(filter);
  if (error < 0) throw std::runtime_error(path_ + ": " + name + ": " + describe(error));
}

void FileSource::choose_time_base() {
  AVStream& video = *format_->streams[index_];
  // Readers of elementary streams are those that can be told a rate: their stamps are made up.
  without_stamps_ = format_->priv_data != nullptr && format_->iformat->priv_class != nullptr &&
                    av_opt_find(format_->priv_data, "framerate", nullptr, 0, 0) != nullptr;
  const AVRational rate = av_guess_frame_rate(format_.get(), &video, nullptr);
  double fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : kUsualFps;
  if (without_stamps_ && fps_ > 0) fps = fps_;
  const AVRational tick = without_stamps_ ? kMpegTick : video.time_base;
  tick_num_ = tick.num;
  tick_den_ = tick.den;
  frame_ticks_ = std::max(std::int64_t{std::llround(1.0 / (fps * av_q2d(tick)))}, std::int64_t{1});
}

std::vector<WriterOptions> FileSource::streams() {
  WriterOptions stream;
  stream.stream = stream_;
  stream.codec = codec_;
  stream.inter_coded = codec_ != kCodecMjpeg;
  stream.time_base_num = static_cast<std::uint32_t>(tick_num_);
  stream.time_base_den = static_cast<std::uint32_t>(tick_den_);
  stream.max_width = width_;
  stream.max_height = height_;
  stream.settings = &board_;
  return {stream};
}

FileSource::Packet FileSource::read_packet() {
  Packet packet(av_packet_alloc());
  if (!packet) throw std::bad_alloc();
  for (;;) {
    if (filter_) {
      const int error = av_bsf_receive_packet(filter_.get(), packet.get());
      if (error == 0) return packet;
      if (error == AVERROR_EOF) return nullptr;
      if (error != AVERROR(EAGAIN)) throw std::runtime_error(path_ + ": " + describe(error));
    }
    const int error = av_read_frame(format_.get(), packet.get());
    if (error == AVERROR_EOF) {
      if (!filter_) return nullptr;
      (void)av_bsf_send_packet(filter_.get(), nullptr);  // gives out what it still holds
      continue;
    }
    if (error < 0) throw std::runtime_error(path_ + ": " + describe(error));
    if (packet->stream_index != index_) {
      av_packet_unref(packet.get());
      continue;
    }
    if (!filter_) return packet;
    // A damaged packet is passed by: the pictures behind it may be whole.
    if (av_bsf_send_packet(filter_.get(), packet.get()) < 0) av_packet_unref(packet.get());
  }
}

// Normally one packet; at the beginning of a film without its first DTS as many as it takes to
// know.
bool FileSource::fill_queue() {
  while (queue_.empty()) {
    if (drained_) {
      if (!loop_) return false;
      start_over();
    }
    while (queue_.size() < kLookAhead) {
      Packet packet = read_packet();
      if (!packet) {
        drained_ = true;
        if (packets_ == 0) throw std::runtime_error(path_ + ": there is no picture in it");
        break;
      }
      ++packets_;
      dts_seen_ = dts_seen_ || without_stamps_ || packet->dts != AV_NOPTS_VALUE;
      queue_.push_back(std::move(packet));
      if (!dts_seen_) continue;
      const auto unknown = static_cast<std::int64_t>(queue_.size()) - 1;
      for (std::int64_t i = 0; i < unknown; ++i) {
        queue_[static_cast<std::size_t>(i)]->dts =
            queue_.back()->dts - (unknown - i) * frame_ticks_;
      }
      break;
    }
    for (const Packet& packet : queue_) stamp(*packet);
  }
  return true;
}

void FileSource::stamp(AVPacket& packet) noexcept {
  const std::int64_t follows = stamped_ ? last_dts_ + frame_ticks_ : offset_;
  if (without_stamps_) {
    packet.dts = packet.pts = follows;
  } else {
    if (packet.dts == AV_NOPTS_VALUE) {
      packet.dts = stamped_ || packet.pts == AV_NOPTS_VALUE ? follows - offset_ : packet.pts;
    }
    packet.dts += offset_;
    packet.pts = packet.pts == AV_NOPTS_VALUE ? packet.dts : packet.pts + offset_;
    if (seam_) {
      // The file's first DTS may be below 0: the seam is where the pass before would have gone on.
      const std::int64_t shift = follows - packet.dts;
      offset_ += shift;
      packet.dts += shift;
      packet.pts += shift;
    }
  }
  if (std::exchange(seam_, false)) seam_packet_ = &packet;
  last_dts_ = packet.dts;
  stamped_ = true;
}

void FileSource::start_over() {
  filter_.reset();
  format_.reset();
  open();  // rather than seek: elementary streams have no index
  seam_ = true;
}

std::uint64_t FileSource::due_ns(const AVPacket& packet) noexcept {
  const std::uint64_t now_ns = monotonic_ns();
  if (began_ns_ == 0) {
    began_ns_ = now_ns;
    origin_dts_ = packet.dts;
  }
  const AVRational tick{static_cast<int>(tick_num_), static_cast<int>(tick_den_)};
  const std::int64_t since =
      std::max(av_rescale_q(packet.dts - origin_dts_, tick, kNanosecond), std::int64_t{0});
  const std::uint64_t due = began_ns_ + static_cast<std::uint64_t>(since);
  if (now_ns <= due + kLateness_ns) return due;
  began_ns_ += now_ns - due;  // stopped for a while: goes on from here
  return now_ns;
}

Source::Step FileSource::step(std::span<Output> outputs) {
  Output& output = outputs.front();
  if (!fill_queue()) {
    if (output.pictures() == 0) {
      throw std::runtime_error(path_ + ": no picture in it can be decoded by itself");
    }
    return Step::ended;
  }
  const AVPacket& packet = *queue_.front();
  const std::uint64_t due = due_ns(packet);
  if (!stop_.wait_until(due)) return Step::more;
  if (&packet == seam_packet_) {
    seam_packet_ = nullptr;
    output.mark_discontinuity();
  }
  FrameMeta meta;
  meta.captured_ns = due;
  meta.encoded_ns = due;
  meta.pts = packet.pts;
  meta.dts = packet.dts;
  meta.width = width_;
  meta.height = height_;
  const std::array<Output::Bytes, 1> pieces{
      std::as_bytes(std::span(packet.data, static_cast<std::size_t>(packet.size)))};
  output.set_state(SourceState::live);
  (void)output.publish(pieces, meta);
  queue_.pop_front();
  return Step::more;
}

}  // namespace framering

extern "C" __attribute__((visibility("default"))) framering::Source* framering_make_file_source(
    const framering::Options& options, framering::StopSignal& stop) {
  return new framering::FileSource(options, stop);
}
