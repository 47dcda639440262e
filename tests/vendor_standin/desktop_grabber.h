// SPDX-License-Identifier: Apache-2.0
//
// A live X11 desktop as a picture, through libavdevice's x11grab.
#pragma once

#include <chrono>
#include <string>

#include "nv21.h"

struct AVFormatContext;
struct AVPacket;
struct SwsContext;

namespace kvm_standin {

class DesktopGrabber {
 public:
  explicit DesktopGrabber(std::string display);
  ~DesktopGrabber();
  DesktopGrabber(const DesktopGrabber&) = delete;
  DesktopGrabber& operator=(const DesktopGrabber&) = delete;

  // Scales the desktop to the picture. False: the display is not there (any more); the next call
  // tries to connect again.
  [[nodiscard]] bool grab(const Nv21Picture& picture);

 private:
  [[nodiscard]] bool connect();
  void disconnect();

  const std::string display_;
  std::chrono::steady_clock::time_point retry_at_{};  // twice a second: each failure is logged
  AVFormatContext* input_ = nullptr;
  AVPacket* packet_ = nullptr;
  SwsContext* scaler_ = nullptr;
};

}  // namespace kvm_standin
