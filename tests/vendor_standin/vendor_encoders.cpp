// SPDX-License-Identifier: Apache-2.0
//
// The encoders' half of VendorLibrary.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "vendor_library.h"

namespace kvm_standin {

std::unique_ptr<VendorLibrary::VencChannel>& VendorLibrary::venc_slot(const char* call, int ch) {
  if (ch < 0 || ch >= kVencChannels) broke_rule(call, "there is no channel %d", ch);
  return venc_[static_cast<size_t>(ch)];
}

VendorLibrary::VencChannel& VendorLibrary::venc_channel(const char* call, int ch) {
  const auto& slot = venc_slot(call, ch);
  if (!slot) broke_rule(call, "channel %d was not added", ch);
  return *slot;
}

// A push that is not popped, or a result that is not freed, wedges the hardware's codec for good.
void VendorLibrary::demand_idle_encoders(const char* call, bool h264, bool jpeg) const {
  for (const auto& channel : venc_) {
    if (!h264 || !channel || channel->job == Job::kIdle) continue;
    broke_rule(call, channel->job == Job::kPushed
                         ? "the last H.264 push was not popped: the codec is wedged"
                         : "the last H.264 picture was not freed (mmf_venc_free)");
  }
  if (!jpeg || !jpeg_ || jpeg_->job == Job::kIdle) return;
  broke_rule(call, jpeg_->job == Job::kPushed
                       ? "the last JPEG push was not popped: the codec is wedged"
                       : "the last JPEG was not freed (mmf_enc_jpg_free or _deinit)");
}

void VendorLibrary::demand_usable(const char* call, const uint8_t* data, int w, int h,
                                  int format) const {
  if (data == nullptr) broke_rule(call, "no picture");
  if (format != kFormatNv21) broke_rule(call, "format %d, only NV21 (19) is encoded", format);
  if (!pool_) return;
  if (pool_->was_released(data)) broke_rule(call, "the frame was released before");
  const Nv21Picture& frame = pool_->frame();
  if (pool_->is_frame(data) && (w != frame.width || h != frame.height)) {
    broke_rule(call, "the frame is %dx%d, not %dx%d", frame.width, frame.height, w, h);
  }
}

// The copy path: the vendor's buffer has lines of 64-pixel multiples and the copy does not care, so
// that any other width comes out sheared.
Nv21Picture VendorLibrary::copy_as_vendor(const uint8_t* data, int w, int h) {
  Nv21Picture copy{nullptr, w, h, aligned_width(w)};
  copy_.resize(copy.bytes());
  copy.data = copy_.data();
  const bool from_vpss = pool_ && pool_->is_frame(data);
  const auto stride = static_cast<size_t>(from_vpss ? copy.stride : w);
  const auto line_bytes = static_cast<size_t>(w);
  const auto slip = static_cast<size_t>(copy.stride - w);
  for (int row = 0; row < h * 3 / 2; ++row) {
    const uint8_t* line = data + static_cast<size_t>(row) * stride;
    const size_t shear = static_cast<size_t>(row) * slip % line_bytes;
    std::memcpy(copy.luma(row), line + shear, line_bytes - shear);
    std::memcpy(copy.luma(row) + line_bytes - shear, line, shear);
  }
  return copy;
}

int VendorLibrary::add_venc_channel(int ch, const mmf_venc_cfg_t& config) {
  enter("mmf_add_venc_channel");
  auto& slot = venc_slot("mmf_add_venc_channel", ch);
  if (slot || (jpeg_ && jpeg_->number == ch)) return kInvalidArgument;
  const bool sound = config.type == kVencTypeH264 && config.fmt == kFormatNv21 && config.w >= 2 &&
                     config.h >= 2 && config.w % 2 == 0 && config.h % 2 == 0 && config.gop >= 1 &&
                     config.gop <= 100 && config.bitrate >= 500 && config.bitrate <= 10000 &&
                     config.in_fps > 0 && config.out_fps > 0 && config.out_fps <= config.in_fps;
  if (!sound) return kInvalidArgument;
  slot = std::make_unique<VencChannel>(config);
  source_->set_fps(config.in_fps);
  return kOk;
}

int VendorLibrary::venc_push(int ch, uint8_t* data, int w, int h, int format) {
  constexpr const char* kCall = "mmf_venc_push";
  enter(kCall);
  VencChannel& channel = venc_channel(kCall, ch);
  demand_idle_encoders(kCall, false, true);
  if (channel.job != Job::kIdle) demand_idle_encoders(kCall, true, false);
  demand_usable(kCall, data, w, h, format);
  if (w != channel.config.w || h != channel.config.h) {
    broke_rule(kCall, "a picture of %dx%d for a channel of %dx%d", w, h, channel.config.w,
               channel.config.h);
  }
  channel.holds_frame = pool_ && pool_->is_frame(data) && pool_->state() == FrameState::kDeferred;
  const Nv21Picture picture = channel.holds_frame ? pool_->frame() : copy_as_vendor(data, w, h);
  if (!channel.encoder.encode(picture, channel.unit)) return kEncoderError;
  if (channel.unit.is_key()) channel.unit.pad_to(faults_.take_key_bytes());
  if (channel.holds_frame) pool_->set_state(FrameState::kEncoding);
  channel.job = Job::kPushed;
  return kOk;
}

int VendorLibrary::venc_pop(int ch, mmf_stream_t* stream) {
  enter("mmf_venc_pop");
  VencChannel& channel = venc_channel("mmf_venc_pop", ch);
  if (channel.job == Job::kIdle) broke_rule("mmf_venc_pop", "nothing was pushed");
  if (channel.job == Job::kPopped) broke_rule("mmf_venc_pop", "popped before: mmf_venc_free first");
  if (stream == nullptr) return kInvalidArgument;
  if (faults_.take_encoder_error()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kVencPopTimeoutMs));
    channel.job = Job::kPopFailed;
    return kEncoderError;
  }
  *stream = channel.unit.stream();
  channel.job = Job::kPopped;
  return kOk;
}

int VendorLibrary::venc_free(int ch) {
  enter("mmf_venc_free");
  VencChannel& channel = venc_channel("mmf_venc_free", ch);
  if (channel.job == Job::kIdle) return kOk;
  if (channel.job == Job::kPushed) {
    broke_rule("mmf_venc_free", "the push was not popped: the codec is wedged");
  }
  channel.unit.poison();
  channel.job = Job::kIdle;
  if (channel.holds_frame) pool_->release();
  channel.holds_frame = false;
  return kOk;
}

int VendorLibrary::del_venc_channel(int ch) {
  enter("mmf_del_venc_channel");
  auto& slot = venc_slot("mmf_del_venc_channel", ch);
  // As the vendor's: what is in the encoder is popped, freed and lost.
  if (slot && slot->holds_frame) pool_->release();
  slot.reset();
  return kOk;
}

int VendorLibrary::request_idr(int ch) {
  enter("CVI_VENC_RequestIDR");
  auto& slot = venc_slot("CVI_VENC_RequestIDR", ch);
  if (!slot) return kInvalidArgument;
  slot->encoder.request_idr();
  return kOk;
}

int VendorLibrary::jpg_init(int ch, int w, int h, int format, int quality) {
  enter("mmf_enc_jpg_init");
  const bool taken = ch < 0 || ch >= kVencChannels || venc_[static_cast<size_t>(ch)] != nullptr;
  if (taken || format != kFormatNv21 || quality < kMinJpegQuality || quality > kMaxJpegQuality ||
      w < 2 || h < 2 || w % 2 != 0 || h % 2 != 0) {
    return kInvalidArgument;
  }
  if (jpeg_) return kOk;
  jpeg_ = std::make_unique<JpegChannel>(ch, w, h);
  return kOk;
}

int VendorLibrary::jpg_push(int ch, uint8_t* data, int w, int h, int format, int quality) {
  constexpr const char* kCall = "mmf_enc_jpg_push_with_quality";
  enter(kCall);
  demand_idle_encoders(kCall, true, true);
  demand_usable(kCall, data, w, h, format);
  if (pool_ && pool_->is_frame(data) && pool_->state() == FrameState::kDeferred) {
    broke_rule(kCall,
               "the frame was given to the H.264 encoder by vi_frame_free: all of JPEG first");
  }
  // The vendor's push builds the channel anew when size or quality differ from the last ones.
  if (jpeg_ &&
      (jpeg_->number != ch || jpeg_->encoder.width() != w || jpeg_->encoder.height() != h)) {
    jpeg_.reset();
  }
  const int ready = jpg_init(ch, w, h, format, quality);
  if (ready != kOk) return ready;
  if (!jpeg_->encoder.encode(copy_as_vendor(data, w, h), quality, jpeg_->jpeg)) {
    return kEncoderError;
  }
  jpeg_->job = Job::kPushed;
  return kOk;
}

int VendorLibrary::jpg_pop(int ch, uint8_t** data, int* size) {
  enter("mmf_enc_jpg_pop");
  if (!jpeg_ || jpeg_->number != ch || jpeg_->job == Job::kIdle) {
    broke_rule("mmf_enc_jpg_pop", "nothing was pushed");
  }
  if (jpeg_->job == Job::kPopped) broke_rule("mmf_enc_jpg_pop", "popped before: free it first");
  if (data == nullptr || size == nullptr) return kInvalidArgument;
  if (faults_.take_encoder_error()) {
    leaked_jpegs_.push_back(jpeg_->jpeg);
    std::fprintf(stderr, "kvm_mmf stand-in: a failed jpg_pop leaks, %zu so far\n",
                 leaked_jpegs_.size());
    jpeg_->job = Job::kPopFailed;
    return kEncoderError;
  }
  *data = jpeg_->jpeg.data();
  *size = static_cast<int>(jpeg_->jpeg.size());
  jpeg_->job = Job::kPopped;
  return kOk;
}

int VendorLibrary::jpg_free(int ch) {
  enter("mmf_enc_jpg_free");
  if (!jpeg_ || jpeg_->number != ch || jpeg_->job == Job::kIdle) return kOk;
  if (jpeg_->job == Job::kPushed) {
    broke_rule("mmf_enc_jpg_free", "the push was not popped: the codec is wedged");
  }
  std::fill(jpeg_->jpeg.begin(), jpeg_->jpeg.end(), uint8_t{0xDD});
  jpeg_->job = Job::kIdle;
  return kOk;
}

int VendorLibrary::jpg_deinit(int ch) {
  enter("mmf_enc_jpg_deinit");
  if (jpeg_ && jpeg_->number == ch) jpeg_.reset();
  return kOk;
}

}  // namespace kvm_standin
