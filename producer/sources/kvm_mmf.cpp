// SPDX-License-Identifier: Apache-2.0
#include "sources/kvm_mmf.h"

#include <array>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string_view>

#include "output.h"
#include "ring/clock.h"

namespace framering {
namespace {

enum : std::size_t { kH264Stream, kMjpegStream };
enum : std::size_t {
  kBitrate,
  kGop,
  kQuality,
  kFps,
  kSize,
  kFrameDetect,
  kHdmi,
  kKey,
  kBitrateFloor,
  kQualityFloor
};

constexpr int kViChannel = 0;
constexpr int kJpegChannel = 0;

// What vi_frame_pop returns besides 0 and "no image" (DESIGN.md, results of ReadH264).
constexpr int kChangingResolution = -4;
constexpr int kUnsupportedResolution = -6;
constexpr int kHdmiResolutionError = -7;

constexpr std::uint64_t kSecond_ns = 1'000'000'000;
constexpr std::uint64_t kRatesSpacing_ns = 200'000'000;
// A pop that fails faster than this did not wait for a picture: then we wait.
constexpr std::uint64_t kQuickFailure_ns = 20'000'000;
constexpr std::uint64_t kPauseAfterFailure_ns = 100'000'000;
// An encoder that fails for so long is not brought back by other channels: a new process may do it.
constexpr std::uint64_t kHopeless_ns = 15'000'000'000;
constexpr std::uint32_t kQualityStep = 10;  // 80, 70, 60
constexpr std::uint64_t kJpegFramesBehind = 10;
// So that whoever comes while a picture stands still waits no longer, and the watchdog sees that
// the encoder works.
constexpr std::uint64_t kUnchangedAgain_ns = 500'000'000;
constexpr std::uint64_t kHdmiOffNap_ns = 100'000'000;

std::vector<Setting> settings_of(const Options& options) {
  using Kind = Setting::Kind;
  const auto fps = static_cast<std::uint64_t>(options.fps.value_or(30));
  return {
      {"bitrate-kbps", Kind::number, "kbit/s", kMinBitrate_kbps, kMaxBitrate_kbps,
       options.bitrate_kbps},
      {"gop", Kind::number, "frames", kMinGop, kMaxGop, options.gop.value_or(30)},
      {"quality", Kind::number, "", kMinQuality, kMaxQuality, options.quality},
      {"fps", Kind::number, "frames/s", kMinKvmFps, kMaxKvmFps, fps},
      {"size", Kind::picture_size, "pixels", pack_size(kMinWidth, kMinHeight),
       pack_size(kMaxWidth, kMaxHeight), pack_size(options.width, options.height), kWidthMultiple},
      {"frame-detect", Kind::on_off, "", 0, 1, 0},
      {"hdmi", Kind::on_off, "", 0, 1, 1},
      {"key", Kind::action, "", 0, 0, 0},
      {"min-bitrate-kbps", Kind::number, "kbit/s", kMinBitrate_kbps, kMaxBitrate_kbps,
       options.min_bitrate_kbps},
      {"min-quality", Kind::number, "", kMinQuality, kMaxQuality, options.min_quality}};
}

}  // namespace

KvmSource::KvmSource(const Options& options, StopSignal& stop, Watchdog& watchdog)
    : stream_(options.stream),
      stop_(stop),
      watchdog_(watchdog),
      board_(settings_of(options)),
      vendor_(options.library, options.venc_library),
      h264_(vendor_, watchdog),
      bitrate_({options.min_bitrate_kbps, options.bitrate_kbps},
               static_cast<std::uint32_t>(options.fps.value_or(30))),
      quality_({options.min_quality, options.quality, kQualityStep}, kJpegFramesBehind),
      fps_(static_cast<std::uint32_t>(options.fps.value_or(30))),
      gop_(options.gop.value_or(30)),
      size_(pack_size(options.width, options.height)) {
  watchdog_.enter("mmf_init");
  if (vendor_.init() != 0)
    throw std::runtime_error("mmf_init failed: is another program using the encoder?");
  watchdog_.enter("mmf_vi_init");
  if (vendor_.vi_init() != 0) throw std::runtime_error("mmf_vi_init failed: no capture hardware?");
  if (!add_vi_channel(size_)) {
    throw std::runtime_error("mmf_add_vi_channel refused " + std::to_string(options.width) + "x" +
                             std::to_string(options.height) + " (--width, --height)");
  }
}

KvmSource::~KvmSource() {
  h264_.drop_channel();
  watchdog_.enter("mmf_try_deinit");
  (void)vendor_.jpg_deinit(kJpegChannel);
  (void)vendor_.try_deinit(true);
}

std::vector<WriterOptions> KvmSource::streams() {
  WriterOptions h264;
  h264.stream = stream_ + "/h264";
  h264.codec = kCodecH264;
  h264.inter_coded = true;
  h264.max_width = kMaxWidth;
  h264.max_height = kMaxHeight;
  h264.settings = &board_;
  WriterOptions mjpeg = h264;
  mjpeg.stream = stream_ + "/mjpeg";
  mjpeg.codec = kCodecMjpeg;
  mjpeg.inter_coded = false;
  return {h264, mjpeg};
}

bool KvmSource::request_key_frame(std::size_t stream) {
  if (stream != kH264Stream) return false;
  h264_.request_key_frame();
  return true;
}

bool KvmSource::add_vi_channel(std::uint64_t size) {
  watchdog_.enter("mmf_add_vi_channel");
  return vendor_.add_vi_channel(kViChannel, static_cast<int>(packed_width(size)),
                                static_cast<int>(packed_height(size)), kVendorNv21) == 0;
}

void KvmSource::take_settings(std::span<Output> outputs) {
  const auto number = [this](std::size_t index) {
    return static_cast<std::uint32_t>(board_.value(index));
  };
  bitrate_.set_bounds({std::min(number(kBitrateFloor), number(kBitrate)), number(kBitrate)});
  quality_.set_bounds(
      {std::min(number(kQualityFloor), number(kQuality)), number(kQuality), kQualityStep});
  gop_ = number(kGop);
  fps_ = number(kFps);
  frame_detect_ = number(kFrameDetect) != 0;
  hdmi_ = number(kHdmi) != 0;
  h264_.apply_at_once();
  if (board_.value(kSize) != size_) change_size(board_.value(kSize), outputs);
  if (board_.take_action(kKey)) outputs[kH264Stream].ask_for_key();
}

void KvmSource::change_size(std::uint64_t size, std::span<Output> outputs) {
  for (Output& output : outputs) output.set_state(SourceState::changing_resolution);
  h264_.drop_channel();
  (void)vendor_.jpg_deinit(kJpegChannel);
  watchdog_.enter("mmf_del_vi_channel");
  if (vendor_.del_vi_channel != nullptr) (void)vendor_.del_vi_channel(kViChannel);
  const bool taken = add_vi_channel(size);
  if (taken) {
    size_ = size;
    return;
  }
  std::fprintf(stderr, "framering-producer: the capture refuses %ux%u; going on with %ux%u\n",
               packed_width(size), packed_height(size), packed_width(size_), packed_height(size_));
  if (!add_vi_channel(size_)) throw std::runtime_error("mmf_add_vi_channel failed");
}

void KvmSource::follow_rates(std::uint64_t now_ns, std::span<Output> outputs) {
  if (outputs[kH264Stream].take_quality_complaint() && bitrate_.lower(now_ns)) {
    h264_.apply_at_once();
  }
  if (outputs[kMjpegStream].take_quality_complaint()) (void)quality_.lower(now_ns);
  if (now_ns - rates_looked_ns_ < kRatesSpacing_ns) return;
  rates_looked_ns_ = now_ns;
  const Demand& h264 = outputs[kH264Stream].demand();
  (void)bitrate_.update(now_ns, {h264.worst_backlog_frames, h264.lowest_kbps});
  (void)quality_.update(now_ns, {outputs[kMjpegStream].demand().worst_backlog_frames, 0});
}

int KvmSource::pop(VendorPicture& picture) {
  void* data = nullptr;
  watchdog_.enter("mmf_vi_frame_pop");
  const int result = vendor_.vi_frame_pop(kViChannel, &data, &picture.bytes, &picture.width,
                                          &picture.height, &picture.format);
  picture.data = static_cast<std::uint8_t*>(data);
  picture.captured_ns = monotonic_ns();
  return result;
}

void KvmSource::pop_failed(int result, std::uint64_t asked_ns, std::span<Output> outputs) {
  SourceState state = SourceState::no_signal;
  if (result == kChangingResolution) state = SourceState::changing_resolution;
  if (result == kUnsupportedResolution || result == kHdmiResolutionError) {
    state = SourceState::unsupported_resolution;
  }
  for (Output& output : outputs) output.set_state(state);
  after_fault_ = true;
  due_ns_ = 0;
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns - asked_ns < kQuickFailure_ns) {
    (void)stop_.wait_until(now_ns + kPauseAfterFailure_ns);
  }
}

// As if the cable were pulled; nobody looks at the capture.
void KvmSource::hdmi_is_off(std::span<Output> outputs) {
  for (Output& output : outputs) output.set_state(SourceState::no_signal);
  after_fault_ = true;
  due_ns_ = 0;
  (void)stop_.wait_until(monotonic_ns() + kHdmiOffNap_ns);
}

Source::Step KvmSource::step(std::span<Output> outputs) {
  if (board_.take_change()) take_settings(outputs);
  if (!hdmi_) {
    hdmi_is_off(outputs);
    return Step::more;
  }
  const std::uint64_t interval_ns = kSecond_ns / fps_;
  std::uint64_t now_ns = monotonic_ns();
  follow_rates(now_ns, outputs);
  if (due_ns_ == 0 || now_ns > due_ns_ + interval_ns) due_ns_ = now_ns;
  // A quarter of a picture early: the rest of the wait is the capture's, which knows when its next
  // picture is there.
  if (!stop_.wait_until(due_ns_ - interval_ns / 4)) return Step::more;

  now_ns = monotonic_ns();
  VendorPicture picture;
  const int result = pop(picture);
  if (result != 0) {
    pop_failed(result, now_ns, outputs);
    return Step::more;
  }
  due_ns_ += interval_ns;
  if (picture.data == nullptr || picture.width <= 0 || picture.height <= 0) {
    vendor_.vi_frame_release(kViChannel);
    return Step::more;
  }
  encode(picture, outputs);
  return Step::more;
}

// One picture to both encoders: all of JPEG first. H.264 takes the picture over.
void KvmSource::encode(const VendorPicture& picture, std::span<Output> outputs) {
  Output& h264 = outputs[kH264Stream];
  Output& mjpeg = outputs[kMjpegStream];
  if (after_fault_) {
    h264_.request_key_frame();
    for (Output& output : outputs) output.mark_discontinuity();
    after_fault_ = false;
  }
  const bool garbled = picture.width % static_cast<int>(kWidthMultiple) != 0;
  if (garbled) {
    mjpeg.set_state(SourceState::unsupported_resolution);
  } else if (mjpeg.wanted()) {
    note_encoder(encode_jpeg(picture, mjpeg), jpeg_failing_since_ns_, mjpeg);
  } else {
    mjpeg.set_state(SourceState::live);
  }
  if (!h264.wanted()) {
    h264.set_state(SourceState::live);
    vendor_.vi_frame_release(kViChannel);
    return;
  }
  // After a pause, whoever comes would be shown the old picture's remains.
  const bool paused = picture.captured_ns - h264_encoded_ns_ > kSecond_ns;
  if (paused && h264_encoded_ns_ != 0) {
    h264_.request_key_frame();
    h264.count_key_request_granted();
  }
  h264_encoded_ns_ = picture.captured_ns;
  const bool good = h264_.encode(picture, {fps_, gop_, bitrate_.value()}, h264);
  note_encoder(good, h264_failing_since_ns_, h264);
}

void KvmSource::note_encoder(bool good, std::uint64_t& failing_since_ns, Output& output) {
  if (good) {
    failing_since_ns = 0;
    output.set_state(SourceState::live);
    return;
  }
  output.set_state(SourceState::encoder_error);
  const std::uint64_t now_ns = monotonic_ns();
  if (failing_since_ns == 0) failing_since_ns = now_ns;
  if (now_ns - failing_since_ns > kHopeless_ns) {
    throw std::runtime_error(output.name() +
                             ": the encoder has failed for 15 s, new channels did "
                             "not help; ending, so that the supervisor starts again");
  }
}

bool KvmSource::encode_jpeg(const VendorPicture& picture, Output& output) {
  watchdog_.enter("mmf_enc_jpg_push_with_quality");
  std::uint8_t* jpeg = nullptr;
  int bytes = 0;
  bool good = vendor_.jpg_push(kJpegChannel, picture.data, picture.width, picture.height,
                               picture.format, static_cast<int>(quality_.value())) == 0;
  if (good) {
    watchdog_.enter("mmf_enc_jpg_pop");
    good = vendor_.jpg_pop(kJpegChannel, &jpeg, &bytes) == 0 && jpeg != nullptr && bytes > 0;
  }
  if (!good) {
    // Gives back what a failed pop leaks; the next push makes another channel.
    (void)vendor_.jpg_deinit(kJpegChannel);
    return false;
  }
  FrameMeta meta;
  meta.captured_ns = picture.captured_ns;
  meta.encoded_ns = monotonic_ns();
  meta.pts = meta.dts = static_cast<std::int64_t>(picture.captured_ns / 1000);
  meta.width = static_cast<std::uint32_t>(picture.width);
  meta.height = static_cast<std::uint32_t>(picture.height);
  const std::array<Output::Bytes, 1> pieces{
      std::as_bytes(std::span(jpeg, static_cast<std::size_t>(bytes)))};
  if (!frame_detect_ || jpeg_changed(pieces[0], output, meta.encoded_ns)) {
    (void)output.publish(pieces, meta);
  }
  watchdog_.enter("mmf_enc_jpg_free");
  (void)vendor_.jpg_free(kJpegChannel);
  return true;
}

// Frame detection: an encoder makes the same bytes of the same picture. Looking at those costs a
// tenth of looking at the pixels, which the capture may keep in uncached memory.
bool KvmSource::jpeg_changed(Output::Bytes jpeg, const Output& output, std::uint64_t now_ns) {
  const std::uint64_t hash =
      std::hash<std::string_view>{}({reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  const std::uint32_t readers = output.demand().readers;
  const bool changed = hash != jpeg_hash_ || readers > jpeg_readers_ ||
                       now_ns - jpeg_published_ns_ >= kUnchangedAgain_ns;
  jpeg_readers_ = readers;
  if (!changed) return false;
  jpeg_hash_ = hash;
  jpeg_published_ns_ = now_ns;
  return true;
}

}  // namespace framering
