// SPDX-License-Identifier: Apache-2.0
#include "test_pattern.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace kvm_standin {
namespace {

constexpr int kGlyphColumns = 5;
constexpr int kGlyphRows = 7;
using Glyph = std::array<uint8_t, kGlyphRows>;  // bit 4 = leftmost dot

constexpr std::array<Glyph, 10> kDigits{{
    {0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E},
    {0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E},
    {0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F},
    {0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E},
    {0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02},
    {0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E},
    {0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E},
    {0x1F, 0x01, 0x02, 0x04, 0x04, 0x08, 0x08},
    {0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E},
    {0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C},
}};
constexpr Glyph kColon{0x00, 0x04, 0x04, 0x00, 0x04, 0x04, 0x00};
constexpr Glyph kFullStop{0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C};
constexpr Glyph kSpace{};

const Glyph& glyph_of(char character) {
  if (character >= '0' && character <= '9') return kDigits[static_cast<size_t>(character - '0')];
  if (character == ':') return kColon;
  return character == '.' ? kFullStop : kSpace;
}

// 75 % bars: white, yellow, cyan, green, magenta, red, blue, black.
constexpr std::array<Yuv, 8> kBars{{{180, 128, 128},
                                    {162, 44, 142},
                                    {131, 156, 44},
                                    {112, 72, 58},
                                    {84, 184, 198},
                                    {65, 100, 212},
                                    {35, 212, 114},
                                    {16, 128, 128}}};

}  // namespace

void draw_text(const Nv21Picture& picture, int x, int y, int dot, std::string_view text,
               Yuv colour) {
  for (const char character : text) {
    const Glyph& glyph = glyph_of(character);
    for (int row = 0; row < kGlyphRows; ++row) {
      for (int column = 0; column < kGlyphColumns; ++column) {
        if ((glyph[static_cast<size_t>(row)] >> (kGlyphColumns - 1 - column) & 1) != 0) {
          fill_rect(picture, x + column * dot, y + row * dot, dot, dot, colour);
        }
      }
    }
    x += (kGlyphColumns + 1) * dot;
  }
}

void TestPattern::prepare_background(const Nv21Picture& like) {
  width_ = like.width;
  height_ = like.height;
  background_.resize(like.bytes());
  const Nv21Picture canvas{background_.data(), width_, height_, like.stride};
  constexpr int kSteps = 32;
  for (int step = 0; step < kSteps; ++step) {
    const int top = height_ * step / kSteps;
    fill_rect(canvas, 0, top, like.stride, height_ * (step + 1) / kSteps - top,
              {static_cast<uint8_t>(40 + step), 140, 120});
  }
  for (int bar = 0; bar < 8; ++bar) {
    const int left = width_ * bar / 8;
    fill_rect(canvas, left, height_ * 62 / 100, width_ * (bar + 1) / 8 - left, height_ * 16 / 100,
              kBars[static_cast<size_t>(bar)]);
  }
}

void TestPattern::draw(const Nv21Picture& picture, uint32_t number, uint64_t time_us, bool still) {
  if (picture.width != width_ || picture.height != height_) prepare_background(picture);
  std::memcpy(picture.data, background_.data(), background_.size());

  char text[32];
  if (!still) {
    const time_t seconds = static_cast<time_t>(time_us / 1'000'000);
    tm local{};
    localtime_r(&seconds, &local);
    std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
                  local.tm_sec, static_cast<int>(time_us / 1000 % 1000));
    draw_text(picture, width_ / 12, height_ * 19 / 100, width_ / 90, text, kWhite);

    const int edge = height_ / 8;
    const int span = width_ > edge ? 2 * (width_ - edge) : 1;
    const int travelled = static_cast<int>(time_us / 4000 % static_cast<uint64_t>(span));
    const int x = travelled < span / 2 ? travelled : span - travelled;
    fill_rect(picture, x, height_ * 83 / 100, edge, edge, {210, 60, 160});
  }
  std::snprintf(text, sizeof text, "%08u", number);
  draw_text(picture, width_ / 12, height_ * 38 / 100, width_ / 66, text, {200, 40, 150});
}

}  // namespace kvm_standin
