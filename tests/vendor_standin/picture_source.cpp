// SPDX-License-Identifier: Apache-2.0
#include "picture_source.h"

#include <cstring>
#include <thread>

namespace kvm_standin {

PictureSource::PictureSource(const Settings& settings) : settings_(settings) {
  if (!settings_.display.empty()) desktop_.emplace(settings_.display);
  if (settings_.fps > 0) fps_ = settings_.fps;
}

void PictureSource::set_fps(int fps) {
  if (settings_.fps <= 0 && fps > 0) fps_ = fps;
}

void PictureSource::wait_until_due() {
  std::this_thread::sleep_until(next_due_);
  const auto period = std::chrono::nanoseconds(1'000'000'000 / fps_);
  const auto now = Clock::now();
  if (now > next_due_ + period) next_due_ = now;  // the caller came too late: start anew from here
  next_due_ += period;
}

bool PictureSource::draw_next(const Nv21Picture& picture, bool still) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto time_us =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  if (desktop_) {
    if (!desktop_->grab(picture)) return false;
    ++number_;
  } else {
    ++number_;
    pattern_.draw(picture, number_, time_us, still);
  }
  if (settings_.barcode) draw_barcode(picture, {number_, time_us});
  return true;
}

bool PictureSource::draw(const Nv21Picture& picture, bool still) {
  if (!still) {
    still_picture_.clear();
    return draw_next(picture, false);
  }
  if (still_picture_.size() == picture.bytes() && still_width_ == picture.width &&
      still_height_ == picture.height) {
    std::memcpy(picture.data, still_picture_.data(), still_picture_.size());
    return true;
  }
  if (!draw_next(picture, true)) return false;
  still_picture_.assign(picture.data, picture.data + picture.bytes());
  still_width_ = picture.width;
  still_height_ = picture.height;
  return true;
}

}  // namespace kvm_standin
