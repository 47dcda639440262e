// SPDX-License-Identifier: Apache-2.0
//
// Sipeed NanoKVM's libkvm_mmf.so, as loaded: a table of its functions, and the two structs they
// take. It has no locks: one thread makes every call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace framering {

inline constexpr int kVendorNv21 = 19;
inline constexpr int kVendorH264 = 2;

// mmf_venc_cfg_t
//  0      1     4   8   12    16            17   20    24       28        32        36
//  │ type │  ·  │ w │ h │ fmt │ jpg_quality │  · │ gop │ in_fps │ out_fps │ bitrate │
struct VendorVencConfig {
  std::uint8_t type = kVendorH264;
  std::int32_t width = 0;   // pixels
  std::int32_t height = 0;  // pixels
  std::int32_t format = kVendorNv21;
  std::uint8_t jpg_quality = 0;
  std::int32_t gop = 0;  // frames
  std::int32_t in_fps = 0;
  std::int32_t out_fps = 0;
  std::int32_t bitrate_kbps = 0;

  bool operator==(const VendorVencConfig&) const = default;
};
static_assert(sizeof(VendorVencConfig) == 36 && offsetof(VendorVencConfig, width) == 4);
static_assert(offsetof(VendorVencConfig, jpg_quality) == 16);
static_assert(offsetof(VendorVencConfig, gop) == 20);
static_assert(offsetof(VendorVencConfig, bitrate_kbps) == 32);

// mmf_stream_t
//  0         64        96      100  104
//  │ data[8] │ size[8] │ count │  · │
inline constexpr std::int32_t kVendorMaxPacks = 8;
struct VendorStream {
  std::uint8_t* data[kVendorMaxPacks];
  std::int32_t size[kVendorMaxPacks];
  std::int32_t count;
};
static_assert(sizeof(void*) != 8 || sizeof(VendorStream) == 104);
static_assert(sizeof(void*) != 8 || offsetof(VendorStream, count) == 96);

// All int results: 0 is success.
class VendorLibrary {
 public:
  // Throws std::runtime_error with the loader's words, or naming each symbol that is missing.
  // `venc_path` empty: libvenc.so beside `path`; without it, key frames on demand cost a new
  // channel, and a warning says so.
  VendorLibrary(const std::string& path, const std::string& venc_path);

  int (*init)() = nullptr;
  int (*vi_init)() = nullptr;
  int (*add_vi_channel)(int ch, int w, int h, int format) = nullptr;
  int (*del_vi_channel)(int ch) = nullptr;  // may be missing
  int (*vi_frame_pop)(int ch, void** data, int* size, int* w, int* h, int* format) = nullptr;
  void (*vi_frame_free)(int ch) = nullptr;     // only marks it as deferred
  void (*vi_frame_release)(int ch) = nullptr;  // gives it back
  int (*add_venc_channel)(int ch, VendorVencConfig* config) = nullptr;
  int (*venc_push)(int ch, std::uint8_t* data, int w, int h, int format) = nullptr;
  int (*venc_pop)(int ch, VendorStream* stream) = nullptr;
  int (*venc_free)(int ch) = nullptr;
  int (*del_venc_channel)(int ch) = nullptr;
  int (*jpg_init)(int ch, int w, int h, int format, int quality) = nullptr;
  int (*jpg_push)(int ch, std::uint8_t* data, int w, int h, int format, int quality) = nullptr;
  int (*jpg_pop)(int ch, std::uint8_t** data, int* size) = nullptr;
  int (*jpg_free)(int ch) = nullptr;
  int (*jpg_deinit)(int ch) = nullptr;
  int (*try_deinit)(bool force) = nullptr;
  int (*request_idr)(int ch, int instant) = nullptr;  // may be missing
};

}  // namespace framering
