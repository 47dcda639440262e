// SPDX-License-Identifier: Apache-2.0
//
// As much of a vendor's library as shows that a program of cross-musl.sh can load one: the symbols that
// the kvm source asks for, built with the same musl, and bytes that look like H.264 and JPEG. It throws
// once inside, as C++ libraries may. (tests/vendor_standin behaves like the real one, and needs FFmpeg.)
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <stdexcept>

struct mmf_venc_cfg_t;

// As the vendor's header has it.
struct mmf_stream_t {
  std::uint8_t* data[8];
  int size[8];
  int count;
};

namespace {

constexpr int kWidth = 1280, kHeight = 720, kNv21 = 19, kGop = 30;

std::uint8_t picture[kWidth * kHeight * 3 / 2];
std::uint8_t sps[] = {0,    0,    0,    1,    0x67, 0x42, 0xc0, 0x1f, 0xda,
                      0x01, 0x40, 0x16, 0xe8, 0x06, 0xd0, 0xa1, 0x35};
std::uint8_t pps[] = {0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80};
std::uint8_t slice[4096] = {0, 0, 0, 1, 0x41, 0x9a};
std::uint8_t jpeg[] = {0xff, 0xd8, 0xff, 0xfe, 0, 4, 'o', 'k', 0xff, 0xd9};
unsigned pictures = 0;

}  // namespace

int mmf_init() {
  try {
    throw std::runtime_error("thrown and caught within the vendor's library");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stand-in of musl: %s\n", error.what());
    return 0;
  }
}
int mmf_vi_init() {
  return 0;
}
int mmf_add_vi_channel(int, int, int, int) {
  return 0;
}
int mmf_vi_frame_pop(int, void** data, int* bytes, int* width, int* height, int* format) {
  ::usleep(1000);
  *data = picture;
  *bytes = sizeof picture;
  *width = kWidth;
  *height = kHeight;
  *format = kNv21;
  return 0;
}
void mmf_vi_frame_free(int) {}
void mmf_vi_frame_release(int) {}
int mmf_add_venc_channel(int, mmf_venc_cfg_t*) {
  pictures = 0;
  return 0;
}
int mmf_venc_push(int, std::uint8_t*, int, int, int) {
  return 0;
}
int mmf_venc_pop(int, mmf_stream_t* stream) {
  const bool key = pictures++ % kGop == 0;
  *stream = {};
  if (key) {
    stream->data[stream->count] = sps;
    stream->size[stream->count++] = sizeof sps;
    stream->data[stream->count] = pps;
    stream->size[stream->count++] = sizeof pps;
  }
  slice[4] = key ? 0x65 : 0x41;
  stream->data[stream->count] = slice;
  stream->size[stream->count++] = sizeof slice;
  return 0;
}
int mmf_venc_free(int) {
  return 0;
}
int mmf_del_venc_channel(int) {
  return 0;
}
int mmf_enc_jpg_init(int, int, int, int, int) {
  return 0;
}
int mmf_enc_jpg_push_with_quality(int, std::uint8_t*, int, int, int, int) {
  return 0;
}
int mmf_enc_jpg_pop(int, std::uint8_t** data, int* bytes) {
  *data = jpeg;
  *bytes = sizeof jpeg;
  return 0;
}
int mmf_enc_jpg_free(int) {
  return 0;
}
int mmf_enc_jpg_deinit(int) {
  return 0;
}
int mmf_try_deinit(bool) {
  return 0;
}
