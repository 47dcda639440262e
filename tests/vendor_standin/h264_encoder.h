// SPDX-License-Identifier: Apache-2.0
//
// One H.264 channel: baseline, no B-frames, one slice a picture, parameter sets with every IDR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "abi.h"
#include "nv21.h"

struct AVCodecContext;
struct AVFrame;
struct AVPacket;

namespace kvm_standin {

// The packs of one picture, each with its 4-byte start code: SPS, PPS, IDR or one P slice.
class AccessUnit {
 public:
  void clear();
  void append_nal(const uint8_t* nal, size_t bytes);
  // Appends filler data (NAL type 12, which decoders skip) to the last pack, to that total size.
  void pad_to(size_t total_bytes);
  // What the caller must no longer read.
  void poison();

  bool empty() const { return sizes_.empty(); }
  bool is_key() const { return sizes_.size() > 1; }
  size_t bytes() const { return bytes_.size(); }
  mmf_stream_t stream();

 private:
  std::vector<uint8_t> bytes_;
  std::vector<size_t> sizes_;
};

class H264Encoder {
 public:
  // Throws std::runtime_error when libx264 refuses.
  explicit H264Encoder(const mmf_venc_cfg_t& config);
  ~H264Encoder();
  H264Encoder(const H264Encoder&) = delete;
  H264Encoder& operator=(const H264Encoder&) = delete;

  void request_idr() { idr_wanted_ = true; }
  // The picture is not referred to after the call.
  [[nodiscard]] bool encode(const Nv21Picture& picture, AccessUnit& unit);

 private:
  AVCodecContext* codec_ = nullptr;
  AVFrame* frame_ = nullptr;
  AVPacket* packet_ = nullptr;
  int64_t pts_ = 0;
  bool idr_wanted_ = false;
};

}  // namespace kvm_standin
