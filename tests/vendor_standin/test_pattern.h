// SPDX-License-Identifier: Apache-2.0
//
// The moving test picture: a clock, the picture number in large digits, colour bars, a box that
// travels along the bottom.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "nv21.h"

namespace kvm_standin {

class TestPattern {
 public:
  // `still` leaves out the clock and the box, so that equal numbers give equal pictures.
  void draw(const Nv21Picture& picture, uint32_t number, uint64_t time_us, bool still);

 private:
  void prepare_background(const Nv21Picture& like);

  std::vector<uint8_t> background_;  // what never changes, drawn once for each picture size
  int width_ = 0;
  int height_ = 0;
};

// Digits, ':', '.' and ' ' from a 5x7 font, each dot `dot` pixels wide.
void draw_text(const Nv21Picture& picture, int x, int y, int dot, std::string_view text,
               Yuv colour);

}  // namespace kvm_standin
