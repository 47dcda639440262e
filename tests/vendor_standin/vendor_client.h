// SPDX-License-Identifier: Apache-2.0
//
// What the tests need of a host: the library by dlopen, one picture through it, and a decoder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "abi.h"
#include "barcode.h"

struct AVCodecContext;
struct AVFrame;
struct AVPacket;

namespace kvm_standin {

using Bytes = std::vector<uint8_t>;

std::string build_file(const std::string& name);  // in the folder with the libraries

// libkvm_mmf.so and libvenc.so, loaded once for the process, by the vendor's mangled names.
struct Vendor {
  decltype(&mmf_init) init;
  decltype(&mmf_try_deinit) try_deinit;
  decltype(&mmf_vi_init) vi_init;
  decltype(&mmf_add_vi_channel) add_vi_channel;
  decltype(&mmf_del_vi_channel) del_vi_channel;
  decltype(&mmf_vi_frame_pop) vi_frame_pop;
  decltype(&mmf_vi_frame_free) vi_frame_free;
  decltype(&mmf_vi_frame_release) vi_frame_release;
  decltype(&mmf_add_venc_channel) add_venc_channel;
  decltype(&mmf_venc_push) venc_push;
  decltype(&mmf_venc_pop) venc_pop;
  decltype(&mmf_venc_free) venc_free;
  decltype(&mmf_del_venc_channel) del_venc_channel;
  decltype(&mmf_enc_jpg_init) jpg_init;
  decltype(&mmf_enc_jpg_push_with_quality) jpg_push;
  decltype(&mmf_enc_jpg_pop) jpg_pop;
  decltype(&mmf_enc_jpg_free) jpg_free;
  decltype(&mmf_enc_jpg_deinit) jpg_deinit;
  decltype(&CVI_VENC_RequestIDR) request_idr;
};
const Vendor& vendor();

inline constexpr int kJpegChannel = 0;
inline constexpr int kH264Channel = 1;

// A popped VPSS frame.
struct Frame {
  uint8_t* data = nullptr;
  int len = 0, w = 0, h = 0, format = 0;
};

void start(int w, int h);
int pop_frame(Frame& frame);
mmf_venc_cfg_t h264_config(int w, int h);
// One picture through the whole sequence; the packs one after the other.
std::vector<Bytes> next_h264();
Bytes next_jpeg(int quality);

Bytes joined(const std::vector<Bytes>& packs);
int nal_type(const Bytes& pack);  // -1 without a 4-byte start code

struct Decoded {
  int width = 0;
  int height = 0;
  std::optional<Barcode> barcode;
  Bytes luma;  // width * height
};

class Decoder {
 public:
  explicit Decoder(const char* codec_name);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // nullopt when the decoder refuses the picture.
  std::optional<Decoded> decode(const Bytes& bytes);

 private:
  AVCodecContext* codec_;
  AVFrame* frame_;
  AVPacket* packet_;
};

}  // namespace kvm_standin
