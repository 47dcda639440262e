// SPDX-License-Identifier: Apache-2.0
//
// The camera of the stand-in: keeps the pace, draws the test picture or grabs the desktop, and
// burns the barcode in.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "barcode.h"
#include "desktop_grabber.h"
#include "nv21.h"
#include "settings.h"
#include "test_pattern.h"

namespace kvm_standin {

class PictureSource {
 public:
  explicit PictureSource(const Settings& settings);

  // Ignored when KVM_STANDIN_FPS has set the pace.
  void set_fps(int fps);

  // Sleeps until the next picture is due. A caller that comes late gets one at once, as from a
  // camera: the missed ones are gone.
  void wait_until_due();

  // False: the desktop is not there.
  [[nodiscard]] bool draw(const Nv21Picture& picture, bool still);

 private:
  using Clock = std::chrono::steady_clock;

  bool draw_next(const Nv21Picture& picture, bool still);

  const Settings settings_;
  std::optional<DesktopGrabber> desktop_;
  TestPattern pattern_;
  int fps_ = 30;
  Clock::time_point next_due_{};
  uint32_t number_ = 0;

  std::vector<uint8_t> still_picture_;  // repeated while the picture stands still
  int still_width_ = 0;
  int still_height_ = 0;
};

}  // namespace kvm_standin
