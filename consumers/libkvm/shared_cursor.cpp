// SPDX-License-Identifier: Apache-2.0
#include "shared_cursor.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "kvm_vision.h"
#include "ring/clock.h"

namespace framering::libkvm {

namespace {

constexpr std::uint64_t kMillisecond_ns = 1'000'000;
// The vendor's call waits a second for a picture and 80 ms for its encoder, and 100 ms when that
// fails; when it has nothing to ask, callers that come in a loop must be slowed down all the same.
constexpr std::uint64_t kLongestWait_ns = 1080 * kMillisecond_ns;
constexpr std::uint64_t kFailedWait_ns = 100 * kMillisecond_ns;
constexpr std::uint64_t kLook_ns = 100 * kMillisecond_ns;  // how often a read sees close()
constexpr std::uint64_t kIdleAfter_ns = 3000 * kMillisecond_ns;

constexpr std::uint32_t kMaxLagFrames = 10;  // behind at which callers go on at a key frame
// So many frames in a row far behind: callers read no faster than they come. Then begin anew at the
// head, so that the delay does not stay.
constexpr int kBehindFrames = 30;

// What a read that finds no frame says of the source.
int result_of(SourceState state) {
  switch (state) {
    case SourceState::live:
    case SourceState::starting:
    case SourceState::idle:
      return KVMV_RETRIEVING;
    case SourceState::encoder_error:
      return KVMV_ENCODER_ERROR;
    case SourceState::frame_too_large:
      return KVMV_BUFFER_FULL;
    case SourceState::changing_resolution:
      return KVMV_CHANGING_RESOLUTION;
    case SourceState::unsupported_resolution:
      return KVMV_UNSUPPORTED_RESOLUTION;
    default:
      return KVMV_NO_IMAGE;
  }
}

ReaderOptions options_of(const std::string& stream, SharedCursor::Codec codec) {
  ReaderOptions options;
  options.stream = stream;
  options.name = "libkvm";
  // At the head: what the history holds would stay as delay behind callers that read at the frame
  // rate.
  options.start = Start::head;
  const bool h264 = codec == SharedCursor::Codec::h264;
  options.policy = h264 ? Policy::live : Policy::newest;
  options.max_lag_frames = h264 ? kMaxLagFrames : 0;
  return options;
}

}  // namespace

SharedCursor::SharedCursor(const std::string& stream, Codec codec)
    : options_(options_of(stream, codec)), codec_(codec) {}

std::shared_ptr<const Picture> SharedCursor::read() {
  const auto mine = std::make_shared<Picture>(Picture{KVMV_NO_IMAGE, false, {}});
  std::unique_lock lock(mutex_);
  if (const std::shared_ptr<Picture> joined = under_way_) {
    // Held here, it cannot come again as another read's.
    finished_.wait(lock, [&] { return under_way_ != joined; });
    return joined;
  }
  under_way_ = mine;
  lock.unlock();
  try {
    take(*mine);
  } catch (const std::exception& failure) {
    // No reader page, a stream name that is none; worse than any vendor code says.
    if (complaint_ != failure.what()) {
      complaint_ = failure.what();
      std::fprintf(stderr, "libkvm: %s: %s\n", options_.stream.c_str(), failure.what());
    }
    *mine = {KVMV_NO_IMAGE, false, {}};
  }
  lock.lock();
  used_ns_ = monotonic_ns();
  under_way_.reset();
  finished_.notify_all();
  return mine;
}

// With under_way_ set, so alone.
void SharedCursor::take(Picture& picture) {
  StreamReader& reader = open();
  const std::uint64_t began_ns = monotonic_ns();
  while (!closed_.load(std::memory_order_relaxed)) {
    const int without_frame =
        reader.link() == Link::attached ? result_of(reader.state()) : KVMV_NO_IMAGE;
    const std::uint64_t deadline_ns =
        began_ns + (without_frame == KVMV_RETRIEVING ? kLongestWait_ns : kFailedWait_ns);
    const std::uint64_t now_ns = monotonic_ns();
    const std::uint64_t left_ns = deadline_ns - std::min(now_ns, deadline_ns);
    Frame frame;
    const ReadResult read =
        reader.next(frame, std::chrono::nanoseconds(std::min(left_ns, kLook_ns)));
    if (read == ReadResult::frame) return hand_over(reader, frame, picture);
    if (read == ReadResult::refused) throw std::runtime_error(reader.refusal());
    if (left_ns == 0) {
      picture.result = without_frame;
      return;
    }
  }
}

StreamReader& SharedCursor::open() {
  if (!reader_) {
    const std::lock_guard lock(mutex_);
    reader_.emplace(options_);
  }
  return *reader_;
}

void SharedCursor::hand_over(StreamReader& reader, const Frame& frame, Picture& picture) {
  complaint_.clear();
  picture.of_another_producer = frame.generation != generation_;
  generation_ = frame.generation;
  if (codec_ == Codec::h264) {
    picture.result = frame.key() ? KVMV_IS_I : KVMV_IS_P;
    const bool complete = (frame.meta.flags & kFrameHasParameters) != 0;
    if (frame.key() && !complete) picture.bytes = reader.parameter_set(frame.meta.parameter_set);
  } else {
    picture.result = KVMV_IS_JPEG;
    if (detect_.load(std::memory_order_relaxed)) {
      if (std::ranges::equal(last_, frame.bytes)) {
        picture.result = KVMV_UNCHANGED;
        return;
      }
      last_.assign(frame.bytes.begin(), frame.bytes.end());
    }
  }
  picture.bytes.insert(picture.bytes.end(), frame.bytes.begin(), frame.bytes.end());
  keep_up(reader, frame);
}

void SharedCursor::keep_up(const StreamReader& reader, const Frame& frame) {
  const bool behind = reader.head() > frame.number + kMaxLagFrames;
  frames_behind_ = behind ? frames_behind_ + 1 : 0;
  if (frames_behind_ < kBehindFrames) return;
  frames_behind_ = 0;
  const std::lock_guard lock(mutex_);
  reader_.reset();
}

void SharedCursor::request_key_frame() {
  const std::lock_guard lock(mutex_);
  if (reader_) reader_->request_key_frame();  // any thread may, also while another one reads
}

bool SharedCursor::rest_when_idle() {
  const std::lock_guard lock(mutex_);
  if (!under_way_ && reader_ && monotonic_ns() - used_ns_ > kIdleAfter_ns) reader_.reset();
  return reader_.has_value();
}

}  // namespace framering::libkvm
