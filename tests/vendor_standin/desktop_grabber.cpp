// SPDX-License-Identifier: Apache-2.0
#include "desktop_grabber.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavdevice/avdevice.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

#include <utility>

namespace kvm_standin {

DesktopGrabber::DesktopGrabber(std::string display)
    : display_(std::move(display)), packet_(av_packet_alloc()) {
  avdevice_register_all();
}

DesktopGrabber::~DesktopGrabber() {
  disconnect();
  av_packet_free(&packet_);
  sws_freeContext(scaler_);
}

bool DesktopGrabber::connect() {
  const auto now = std::chrono::steady_clock::now();
  if (now < retry_at_) return false;
  retry_at_ = now + std::chrono::milliseconds(500);
  AVDictionary* options = nullptr;
  // The picture source keeps the pace; x11grab's own is set so high that it never waits.
  av_dict_set(&options, "framerate", "1000", 0);
  av_dict_set(&options, "draw_mouse", "1", 0);
  const int error =
      avformat_open_input(&input_, display_.c_str(), av_find_input_format("x11grab"), &options);
  av_dict_free(&options);
  return error == 0;
}

void DesktopGrabber::disconnect() {
  avformat_close_input(&input_);
}

bool DesktopGrabber::grab(const Nv21Picture& picture) {
  if (input_ == nullptr && !connect()) return false;
  if (av_read_frame(input_, packet_) < 0) {
    disconnect();
    return false;
  }
  const AVCodecParameters& desktop = *input_->streams[0]->codecpar;
  scaler_ = sws_getCachedContext(
      scaler_, desktop.width, desktop.height, static_cast<AVPixelFormat>(desktop.format),
      picture.width, picture.height, AV_PIX_FMT_NV21, SWS_BILINEAR, nullptr, nullptr, nullptr);
  if (scaler_ != nullptr) {
    const uint8_t* from[4] = {packet_->data};
    const int from_stride[4] = {packet_->size / desktop.height};
    uint8_t* to[4] = {picture.luma(0), picture.chroma(0)};
    const int to_stride[4] = {picture.stride, picture.stride};
    sws_scale(scaler_, from, from_stride, 0, desktop.height, to, to_stride);
  }
  av_packet_unref(packet_);
  return scaler_ != nullptr;
}

}  // namespace kvm_standin
