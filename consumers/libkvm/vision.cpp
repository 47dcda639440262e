// SPDX-License-Identifier: Apache-2.0
#include "vision.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include "control/operator_client.h"
#include "kvm_vision.h"
#include "ring/quiet_thread.h"

namespace framering::libkvm {

namespace {

using namespace std::chrono_literals;
using Codec = SharedCursor::Codec;

constexpr auto kHousekeeping = 1s;  // between tries to bring a setting, and looks for idle streams
constexpr auto kSignalAnswer = 100ms;  // callers ask for the signal in their loops
// Who reads so often with the same size and quality is a viewer; else a screenshot, or one of two
// viewers that differ, would reconfigure the encoder under everybody's eyes.
constexpr int kViewerReads = 3;

std::string stream_of_environment() {
  const char* const stream = std::getenv("FRAMERING_STREAM");
  return stream == nullptr || *stream == '\0' ? "hdmi" : stream;
}

const char* on_off(bool on) {
  return on ? "on" : "off";
}

std::size_t index(Codec codec) {
  return static_cast<std::size_t>(codec);
}

}  // namespace

Vision::Vision(bool debug)
    : stream_(stream_of_environment()),
      debug_(debug),
      cursors_{{{stream_ + "/mjpeg", Codec::mjpeg}, {stream_ + "/h264", Codec::h264}}},
      wishes_(stream_ + "/h264"),  // both streams have the source's settings
      housekeeper_(quiet_thread([this] { keep_house(); })) {}

void Vision::close() {
  for (SharedCursor& cursor : cursors_) cursor.close();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    woken_.notify_all();
  }
  if (housekeeper_.joinable()) housekeeper_.join();
}

std::shared_ptr<const Picture> Vision::read(Codec codec, const Request& request) {
  note(codec, request);
  auto picture = cursors_[index(codec)].read();
  if (picture->of_another_producer) wishes_.repeat();
  {
    const std::lock_guard lock(mutex_);
    read_ = true;
    if (asleep_) woken_.notify_all();
  }
  if (debug_) tell(codec, picture->result);
  return picture;
}

void Vision::tell(Codec codec, int result) {
  const int news = result == KVMV_IS_P ? KVMV_IS_I : result;
  if (asked_[index(codec)].told_result.exchange(news, std::memory_order_relaxed) == news) return;
  std::fprintf(stderr, "libkvm: %s: result %d\n", codec == Codec::h264 ? "H.264" : "MJPEG", result);
}

void Vision::note(Codec codec, const Request& request) {
  {
    const std::lock_guard lock(mutex_);
    Asked& asked = asked_[index(codec)];
    if (asked.request != request) {
      asked.request = request;
      asked.times = 0;
    }
    if (asked.times == kViewerReads || ++asked.times != kViewerReads) return;
  }
  if (request.width != 0 && request.height != 0) {
    want("size", std::to_string(request.width) + "x" + std::to_string(request.height));
  }
  if (request.quality == 0) return;
  const int quality = request.quality;  // limited as the vendor's is
  if (codec == Codec::h264) {
    want("bitrate-kbps", std::to_string(std::clamp(quality, 500, 10000)));
  } else {
    want("quality", std::to_string(std::clamp(quality, 51, 99)));
  }
}

void Vision::set_gop(std::uint8_t frames) {
  want("gop", std::to_string(std::clamp<int>(frames, 1, 100)));
  cursors_[index(Codec::h264)].request_key_frame();
}

void Vision::set_frame_detect(std::uint8_t frames) {
  cursors_[index(Codec::mjpeg)].detect_unchanged(frames != 0);
  want("frame-detect", on_off(frames != 0));
}

bool Vision::set_hdmi(bool on) {
  try {
    (void)OperatorClient("").change(stream_ + "/h264", {{"hdmi", on_off(on)}});
    wishes_.brought("hdmi", on_off(on));
    return true;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "libkvm: hdmi: %s\n", failure.what());
    return false;
  }
}

bool Vision::has_signal() {
  // Both streams tell of one source, each when it gets there: the later word counts, and that of a
  // stream that idles only if there is no other.
  const StreamInfo* newest = nullptr;
  std::vector<StreamInfo> streams;
  try {
    streams = OperatorClient("", kSignalAnswer).list();
  } catch (const std::exception&) {
    return false;
  }
  for (const StreamInfo& stream : streams) {
    if (stream.name != stream_ + "/h264" && stream.name != stream_ + "/mjpeg") continue;
    const auto weight = [](const StreamInfo& one) {
      return std::pair(one.state != SourceState::idle, one.state_since_ns);
    };
    if (newest == nullptr || weight(stream) > weight(*newest)) newest = &stream;
  }
  if (newest == nullptr) return false;
  switch (newest->state) {
    case SourceState::live:
    case SourceState::changing_resolution:
    case SourceState::encoder_error:
    case SourceState::frame_too_large:
    case SourceState::idle:
      return true;
    default:
      return false;
  }
}

void Vision::want(const std::string& key, const std::string& value) {
  wishes_.want(key, value);
  const std::lock_guard lock(mutex_);
  due_ = true;
  woken_.notify_all();
}

// Sleeps for good while nobody reads and nothing is wanted.
void Vision::keep_house() {
  std::unique_lock lock(mutex_);
  while (!closed_) {
    due_ = read_ = false;
    lock.unlock();
    bool more = !wishes_.bring();
    for (SharedCursor& cursor : cursors_) more = cursor.rest_when_idle() || more;
    lock.lock();
    if (more) {
      woken_.wait_for(lock, kHousekeeping, [this] { return closed_ || due_; });
    } else {
      asleep_ = true;
      woken_.wait(lock, [this] { return closed_ || due_ || read_; });
      asleep_ = false;
    }
  }
}

}  // namespace framering::libkvm
