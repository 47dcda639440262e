// SPDX-License-Identifier: Apache-2.0
#include "sources/kvm_h264.h"

#include <algorithm>
#include <array>

#include "options.h"
#include "ring/clock.h"

namespace framering {
namespace {

constexpr int kViChannel = 0;
constexpr int kH264Channel = 1;
constexpr std::uint32_t kBurstFactor = 2;

}  // namespace

KvmH264::~KvmH264() {
  drop_channel();
}

void KvmH264::drop_channel() {
  if (!channel_there_) return;
  watchdog_.enter("mmf_del_venc_channel");
  (void)vendor_.del_venc_channel(kH264Channel);
  channel_there_ = false;
}

VendorVencConfig KvmH264::config_for(const VendorPicture& picture, const Wish& wish) const {
  const std::uint32_t kbps = burst_ ? wish.bitrate_kbps * kBurstFactor : wish.bitrate_kbps;
  VendorVencConfig config;
  config.width = picture.width;
  config.height = picture.height;
  config.format = picture.format;
  config.gop = static_cast<std::int32_t>(wish.gop);
  config.in_fps = config.out_fps = static_cast<std::int32_t>(wish.fps);
  config.bitrate_kbps =
      static_cast<std::int32_t>(std::clamp(kbps, kMinBitrate_kbps, kMaxBitrate_kbps));
  return config;
}

bool KvmH264::ready_channel(const VendorPicture& picture, const Wish& wish, Output& output) {
  const bool group_ends = since_key_ >= config_.gop;
  if (group_ends && !urgent_) burst_ = false;
  VendorVencConfig wanted = config_for(picture, wish);
  if (channel_there_ && wanted != config_) {
    VendorVencConfig other_rate = config_;
    other_rate.bitrate_kbps = wanted.bitrate_kbps;
    const bool can_wait = wanted == other_rate && !urgent_ && !group_ends;
    if (!can_wait) drop_channel();
  }
  urgent_ = false;
  if (key_wanted_ && vendor_.request_idr == nullptr) drop_channel();
  if (!channel_there_) {
    watchdog_.enter("mmf_add_venc_channel");
    if (vendor_.add_venc_channel(kH264Channel, &wanted) != 0) return false;
    channel_there_ = true;
    config_ = wanted;
    key_wanted_ = false;  // another channel begins with one
    since_key_ = 0;
    output.mark_discontinuity();
  }
  if (key_wanted_) {
    watchdog_.enter("CVI_VENC_RequestIDR");
    (void)vendor_.request_idr(kH264Channel, 1);
    key_wanted_ = false;
  }
  return true;
}

// Frees and errors in the order that the vendor's library survives: what was pushed is popped, what
// was popped is freed, and after a failure the channel goes.
bool KvmH264::encode(const VendorPicture& picture, const Wish& wish, Output& output) {
  if (!ready_channel(picture, wish, output)) {
    vendor_.vi_frame_release(kViChannel);
    return false;
  }
  vendor_.vi_frame_free(kViChannel);  // from here on the encoder uses the frame itself: no copy
  watchdog_.enter("mmf_venc_push");
  if (vendor_.venc_push(kH264Channel, picture.data, picture.width, picture.height,
                        picture.format) != 0) {
    vendor_.vi_frame_release(kViChannel);
    drop_channel();
    return false;
  }
  VendorStream stream{};
  watchdog_.enter("mmf_venc_pop");
  const bool popped = vendor_.venc_pop(kH264Channel, &stream) == 0;
  if (popped) publish(stream, picture, output);
  watchdog_.enter("mmf_venc_free");
  (void)vendor_.venc_free(kH264Channel);
  if (!popped) drop_channel();
  return popped;
}

void KvmH264::publish(const VendorStream& stream, const VendorPicture& picture, Output& output) {
  std::array<Output::Bytes, kVendorMaxPacks> packs;
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (std::int32_t i = 0; i < std::min(stream.count, kVendorMaxPacks); ++i) {
    if (stream.data[i] == nullptr || stream.size[i] <= 0) continue;
    packs[count] =
        std::as_bytes(std::span(stream.data[i], static_cast<std::size_t>(stream.size[i])));
    bytes += packs[count++].size();
  }
  if (count == 0) return;
  FrameMeta meta;
  meta.captured_ns = picture.captured_ns;
  meta.encoded_ns = monotonic_ns();
  meta.pts = meta.dts = static_cast<std::int64_t>(picture.captured_ns / 1000);
  meta.width = static_cast<std::uint32_t>(picture.width);
  meta.height = static_cast<std::uint32_t>(picture.height);
  (void)output.publish({packs.data(), count}, meta);
  // The slice is in the last pack.
  NalUnit slice;
  const bool key = find_nal(NalCodec::h264, packs[count - 1], 0, slice) && slice.type == kH264Idr;
  note_picture(bytes, key);
}

void KvmH264::note_picture(std::size_t bytes, bool key) {
  since_key_ = key ? 1 : since_key_ + 1;
  if (key) return;
  const auto usual = static_cast<std::size_t>(config_.bitrate_kbps * 125 / config_.in_fps);
  if (still_.first_change(monotonic_ns(), bytes, usual)) burst_ = urgent_ = true;
}

}  // namespace framering
