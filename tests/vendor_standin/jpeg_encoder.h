// SPDX-License-Identifier: Apache-2.0
//
// NV21 to JPEG, one picture at a time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "nv21.h"

struct AVCodecContext;
struct AVFrame;
struct AVPacket;

namespace kvm_standin {

inline constexpr int kMinJpegQuality = 51;
inline constexpr int kMaxJpegQuality = 99;

class JpegEncoder {
 public:
  // Throws std::runtime_error when libavcodec refuses.
  JpegEncoder(int width, int height);
  ~JpegEncoder();
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  int width() const { return width_; }
  int height() const { return height_; }

  [[nodiscard]] bool encode(const Nv21Picture& picture, int quality, std::vector<uint8_t>& jpeg);

 private:
  void convert(const Nv21Picture& picture);

  const int width_;
  const int height_;
  AVCodecContext* codec_ = nullptr;
  AVFrame* frame_ = nullptr;
  AVPacket* packet_ = nullptr;
};

}  // namespace kvm_standin
