// SPDX-License-Identifier: Apache-2.0
//
// The binary interface of Sipeed NanoKVM's libkvm_mmf.so, as far as Framering uses it. The names
// are the vendor's, not ours: they are part of the mangled symbols.
#pragma once

#include <cstddef>
#include <cstdint>

//  mmf_venc_cfg_t, 36 bytes
//  0      1  4     8     12    16          17 20    24       28        32        36
//  | type |..|  w  |  h  | fmt | jpg_quality |.| gop | in_fps | out_fps | bitrate |
struct mmf_venc_cfg_t {
  uint8_t type;         // kVencTypeH264
  int w;                // pixels
  int h;                // pixels
  int fmt;              // kFormatNv21
  uint8_t jpg_quality;  // unused for H.264
  int gop;              // frames, 1..100
  int in_fps;
  int out_fps;
  int bitrate;  // kbit/s, 500..10000
};
static_assert(sizeof(mmf_venc_cfg_t) == 36 && alignof(mmf_venc_cfg_t) == 4);
static_assert(offsetof(mmf_venc_cfg_t, type) == 0);
static_assert(offsetof(mmf_venc_cfg_t, w) == 4);
static_assert(offsetof(mmf_venc_cfg_t, h) == 8);
static_assert(offsetof(mmf_venc_cfg_t, fmt) == 12);
static_assert(offsetof(mmf_venc_cfg_t, jpg_quality) == 16);
static_assert(offsetof(mmf_venc_cfg_t, gop) == 20);
static_assert(offsetof(mmf_venc_cfg_t, in_fps) == 24);
static_assert(offsetof(mmf_venc_cfg_t, out_fps) == 28);
static_assert(offsetof(mmf_venc_cfg_t, bitrate) == 32);

//  mmf_stream_t, 104 bytes
//  0          64         96      100  104
//  | data[8]  | size[8]  | count |....|
struct mmf_stream_t {
  uint8_t* data[8];
  int size[8];
  int count;
};
static_assert(sizeof(mmf_stream_t) == 104 && alignof(mmf_stream_t) == 8);
static_assert(offsetof(mmf_stream_t, data) == 0);
static_assert(offsetof(mmf_stream_t, size) == 64);
static_assert(offsetof(mmf_stream_t, count) == 96);

namespace kvm_standin {

inline constexpr int kFormatNv21 = 19;
inline constexpr int kVencTypeH264 = 2;
inline constexpr int kWidthAlignment = 64;  // pixels; what the hardware pads a line to

// Codes of NanoKVM's own library, which the stand-in's calls return as well (README.md).
inline constexpr int kOk = 0;
inline constexpr int kNoImage = -1;
inline constexpr int kEncoderError = -2;
inline constexpr int kChangingResolution = -4;
inline constexpr int kUnsupportedResolution = -6;
inline constexpr int kInvalidArgument = -1;

inline constexpr int kViPopTimeoutMs = 1000;
inline constexpr int kVencPopTimeoutMs = 80;

}  // namespace kvm_standin

// C++ linkage on purpose: the vendor exports mangled names.
int mmf_init();
int mmf_try_deinit(bool force);
int mmf_vi_init();
int mmf_add_vi_channel(int ch, int w, int h, int format);
int mmf_del_vi_channel(int ch);
int mmf_vi_frame_pop(int ch, void** data, int* len, int* w, int* h, int* format);
void mmf_vi_frame_free(int ch);
void mmf_vi_frame_release(int ch);
int mmf_add_venc_channel(int ch, mmf_venc_cfg_t* cfg);
int mmf_venc_push(int ch, uint8_t* data, int w, int h, int format);
int mmf_venc_pop(int ch, mmf_stream_t* stream);
int mmf_venc_free(int ch);
int mmf_del_venc_channel(int ch);
int mmf_enc_jpg_init(int ch, int w, int h, int format, int quality);
int mmf_enc_jpg_push_with_quality(int ch, uint8_t* data, int w, int h, int format, int quality);
int mmf_enc_jpg_pop(int ch, uint8_t** data, int* size);
int mmf_enc_jpg_free(int ch);
int mmf_enc_jpg_deinit(int ch);

extern "C" int CVI_VENC_RequestIDR(int channel, int instant);
