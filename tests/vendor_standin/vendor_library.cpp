// SPDX-License-Identifier: Apache-2.0
//
// Start, stop and capture. The encoders' calls are in vendor_encoders.cpp.
#include "vendor_library.h"

#include <chrono>
#include <cstdio>
#include <thread>

namespace kvm_standin {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettleTime{100};  // a pop that fails for the resolution takes this long
constexpr milliseconds kChangeTime{250};  // and one while it changes: readers have time to see it

}  // namespace

void VendorLibrary::enter(const char* call) {
  faults_.strike();
  thread_.check(call);
}

int VendorLibrary::init() {
  faults_.strike();
  thread_.bind_or_check("mmf_init");
  if (source_) return kOk;
  const Settings settings = read_settings();
  if (settings.still) faults_.apply("still on");
  const std::string problem = faults_.apply_all(settings.faults);
  if (!problem.empty()) broke_rule("KVM_STANDIN_FAULT", "%s", problem.c_str());
  if (!settings.control.empty()) {
    control_.emplace(settings.control,
                     [this](std::string_view text) { return faults_.apply(text); });
  }
  source_.emplace(settings);
  return kOk;
}

void VendorLibrary::tear_down() {
  for (auto& channel : venc_) channel.reset();
  jpeg_.reset();
  pool_.reset();
  control_.reset();
  source_.reset();
  leaked_jpegs_.clear();
  faults_.apply("ok");
  vi_channel_ = -1;
  vi_ready_ = false;
  thread_.unbind();
}

int VendorLibrary::try_deinit(bool force) {
  enter("mmf_try_deinit");
  bool in_use = pool_ != nullptr || jpeg_ != nullptr;
  for (const auto& channel : venc_) in_use = in_use || channel != nullptr;
  if (in_use && !force) return kInvalidArgument;
  tear_down();
  return kOk;
}

int VendorLibrary::vi_init() {
  enter("mmf_vi_init");
  vi_ready_ = true;
  return kOk;
}

int VendorLibrary::add_vi_channel(int ch, int w, int h, int format) {
  enter("mmf_add_vi_channel");
  if (!vi_ready_) broke_rule("mmf_add_vi_channel", "called before mmf_vi_init");
  if (pool_ && pool_->state() != FrameState::kNone) {
    broke_rule("mmf_add_vi_channel", "the channel's frame was not released");
  }
  if (ch < 0 || ch > 1 || w < 2 || h < 2 || w % 2 != 0 || h % 2 != 0 || format != kFormatNv21) {
    return kInvalidArgument;
  }
  pool_ = std::make_unique<FramePool>(w, h);
  vi_channel_ = ch;
  return kOk;
}

int VendorLibrary::del_vi_channel(int ch) {
  enter("mmf_del_vi_channel");
  if (!pool_ || ch != vi_channel_) return kOk;
  if (pool_->state() == FrameState::kEncoding) {
    broke_rule("mmf_del_vi_channel", "the encoder still reads the channel's frame");
  }
  pool_.reset();
  vi_channel_ = -1;
  return kOk;
}

FramePool& VendorLibrary::vi_channel(const char* call, int ch) {
  if (!pool_ || ch != vi_channel_) broke_rule(call, "vi channel %d was not added", ch);
  return *pool_;
}

void VendorLibrary::apply_resolution(const NewResolution& resolution) {
  if (!resolution.scaled) pool_ = std::make_unique<FramePool>(resolution.width, resolution.height);
}

int VendorLibrary::vi_frame_pop(int ch, void** data, int* len, int* w, int* h, int* format) {
  constexpr const char* kCall = "mmf_vi_frame_pop";
  enter(kCall);
  const FramePool& pool = vi_channel(kCall, ch);
  demand_idle_encoders(kCall, true, true);
  if (pool.state() == FrameState::kHeld) {
    broke_rule(kCall,
               "the last frame was not released (vi_frame_release, or vi_frame_free and an "
               "encoder)");
  }
  if (pool.state() == FrameState::kDeferred) {
    broke_rule(kCall,
               "vi_frame_free only defers: the frame needs venc_push, venc_pop and "
               "venc_free, or vi_frame_release");
  }
  if (data == nullptr || len == nullptr || w == nullptr || h == nullptr || format == nullptr) {
    return kInvalidArgument;
  }
  switch (faults_.input()) {
    case Input::kNoSignal:
      if (!faults_.wait_for_signal(milliseconds(kViPopTimeoutMs))) return kNoImage;
      break;
    case Input::kUnsupported:
      std::this_thread::sleep_for(kSettleTime);
      return kUnsupportedResolution;
    case Input::kChanging:
      std::this_thread::sleep_for(kChangeTime);
      if (const auto resolution = faults_.count_changing_pop()) apply_resolution(*resolution);
      return kChangingResolution;
    case Input::kLive:
      break;
  }
  return deliver(data, len, w, h, format);
}

int VendorLibrary::deliver(void** data, int* len, int* w, int* h, int* format) {
  source_->wait_until_due();
  const Nv21Picture& frame = pool_->take();
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(kViPopTimeoutMs);
  while (!source_->draw(frame, faults_.still())) {
    // No X server: to the caller that is a cable without a signal.
    if (std::chrono::steady_clock::now() >= deadline) {
      pool_->release();
      return kNoImage;
    }
    std::this_thread::sleep_for(kSettleTime);
  }
  *data = frame.data;
  *len = static_cast<int>(frame.bytes());
  *w = frame.width;
  *h = frame.height;
  *format = kFormatNv21;
  return kOk;
}

void VendorLibrary::vi_frame_free(int ch) {
  enter("mmf_vi_frame_free");
  FramePool& pool = vi_channel("mmf_vi_frame_free", ch);
  if (pool.state() != FrameState::kHeld) {
    broke_rule("mmf_vi_frame_free", "there is no frame to free, or it was freed before");
  }
  pool.set_state(FrameState::kDeferred);
}

void VendorLibrary::vi_frame_release(int ch) {
  enter("mmf_vi_frame_release");
  FramePool& pool = vi_channel("mmf_vi_frame_release", ch);
  if (pool.state() == FrameState::kEncoding) {
    broke_rule("mmf_vi_frame_release", "the encoder still reads the frame: venc_free releases it");
  }
  pool.release();
}

}  // namespace kvm_standin
