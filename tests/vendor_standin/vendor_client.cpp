// SPDX-License-Identifier: Apache-2.0
#include "vendor_client.h"

#include <dlfcn.h>

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace kvm_standin {
namespace {

void* open_library(const char* name) {
  void* handle = dlopen(build_file(name).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  return handle;
}

template <typename Function>
void load(void* handle, Function& function, const char* symbol) {
  void* address = dlsym(handle, symbol);
  if (address == nullptr) throw std::runtime_error(dlerror());
  function = reinterpret_cast<Function>(address);
}

Vendor load_vendor() {
  void* kvm = open_library("libkvm_mmf.so");
  void* venc = open_library("libvenc.so");
  Vendor v{};
  load(kvm, v.init, "_Z8mmf_initv");
  load(kvm, v.try_deinit, "_Z14mmf_try_deinitb");
  load(kvm, v.vi_init, "_Z11mmf_vi_initv");
  load(kvm, v.add_vi_channel, "_Z18mmf_add_vi_channeliiii");
  load(kvm, v.del_vi_channel, "_Z18mmf_del_vi_channeli");
  load(kvm, v.vi_frame_pop, "_Z16mmf_vi_frame_popiPPvPiS1_S1_S1_");
  load(kvm, v.vi_frame_free, "_Z17mmf_vi_frame_freei");
  load(kvm, v.vi_frame_release, "_Z20mmf_vi_frame_releasei");
  load(kvm, v.add_venc_channel, "_Z20mmf_add_venc_channeliP14mmf_venc_cfg_t");
  load(kvm, v.venc_push, "_Z13mmf_venc_pushiPhiii");
  load(kvm, v.venc_pop, "_Z12mmf_venc_popiP12mmf_stream_t");
  load(kvm, v.venc_free, "_Z13mmf_venc_freei");
  load(kvm, v.del_venc_channel, "_Z20mmf_del_venc_channeli");
  load(kvm, v.jpg_init, "_Z16mmf_enc_jpg_initiiiii");
  load(kvm, v.jpg_push, "_Z29mmf_enc_jpg_push_with_qualityiPhiiii");
  load(kvm, v.jpg_pop, "_Z15mmf_enc_jpg_popiPPhPi");
  load(kvm, v.jpg_free, "_Z16mmf_enc_jpg_freei");
  load(kvm, v.jpg_deinit, "_Z18mmf_enc_jpg_deiniti");
  load(venc, v.request_idr, "CVI_VENC_RequestIDR");
  return v;
}

void expect_ok(int result, const char* call) {
  if (result != kOk) throw std::runtime_error(std::string(call) + ": " + std::to_string(result));
}

}  // namespace

std::string build_file(const std::string& name) {
  const char* folder = std::getenv("KVM_STANDIN_DIR");
  return std::string(folder == nullptr ? "." : folder) + "/" + name;
}

const Vendor& vendor() {
  static const Vendor loaded = load_vendor();
  return loaded;
}

void start(int w, int h) {
  expect_ok(vendor().init(), "mmf_init");
  expect_ok(vendor().vi_init(), "mmf_vi_init");
  expect_ok(vendor().add_vi_channel(0, w, h, kFormatNv21), "mmf_add_vi_channel");
}

int pop_frame(Frame& frame) {
  void* data = nullptr;
  const int result = vendor().vi_frame_pop(0, &data, &frame.len, &frame.w, &frame.h, &frame.format);
  frame.data = static_cast<uint8_t*>(data);
  return result;
}

mmf_venc_cfg_t h264_config(int w, int h) {
  return {kVencTypeH264, w, h, kFormatNv21, 0, 30, 60, 60, 2000};
}

std::vector<Bytes> next_h264() {
  Frame frame;
  expect_ok(pop_frame(frame), "mmf_vi_frame_pop");
  vendor().vi_frame_free(0);
  expect_ok(vendor().venc_push(kH264Channel, frame.data, frame.w, frame.h, frame.format),
            "mmf_venc_push");
  mmf_stream_t stream{};
  expect_ok(vendor().venc_pop(kH264Channel, &stream), "mmf_venc_pop");
  std::vector<Bytes> packs;
  for (int i = 0; i < stream.count; ++i) {
    packs.emplace_back(stream.data[i], stream.data[i] + stream.size[i]);
  }
  expect_ok(vendor().venc_free(kH264Channel), "mmf_venc_free");
  return packs;
}

Bytes next_jpeg(int quality) {
  Frame frame;
  expect_ok(pop_frame(frame), "mmf_vi_frame_pop");
  expect_ok(vendor().jpg_push(kJpegChannel, frame.data, frame.w, frame.h, frame.format, quality),
            "jpg_push");
  uint8_t* data = nullptr;
  int size = 0;
  expect_ok(vendor().jpg_pop(kJpegChannel, &data, &size), "jpg_pop");
  Bytes jpeg(data, data + size);
  expect_ok(vendor().jpg_free(kJpegChannel), "jpg_free");
  vendor().vi_frame_release(0);
  return jpeg;
}

Bytes joined(const std::vector<Bytes>& packs) {
  Bytes all;
  for (const Bytes& pack : packs) all.insert(all.end(), pack.begin(), pack.end());
  return all;
}

int nal_type(const Bytes& pack) {
  const bool start_code =
      pack.size() > 4 && pack[0] == 0 && pack[1] == 0 && pack[2] == 0 && pack[3] == 1;
  return start_code ? pack[4] & 0x1F : -1;
}

Decoder::Decoder(const char* codec_name)
    : codec_(avcodec_alloc_context3(avcodec_find_decoder_by_name(codec_name))),
      frame_(av_frame_alloc()),
      packet_(av_packet_alloc()) {
  codec_->flags |= AV_CODEC_FLAG_LOW_DELAY;
  codec_->thread_count = 1;
  codec_->err_recognition = AV_EF_EXPLODE;
  if (avcodec_open2(codec_, nullptr, nullptr) < 0) throw std::runtime_error(codec_name);
}

Decoder::~Decoder() {
  avcodec_free_context(&codec_);
  av_frame_free(&frame_);
  av_packet_free(&packet_);
}

std::optional<Decoded> Decoder::decode(const Bytes& bytes) {
  av_new_packet(packet_, static_cast<int>(bytes.size()));
  std::memcpy(packet_->data, bytes.data(), bytes.size());
  const bool sent = avcodec_send_packet(codec_, packet_) == 0;
  av_packet_unref(packet_);
  if (!sent || avcodec_receive_frame(codec_, frame_) != 0) return std::nullopt;
  Decoded decoded{frame_->width, frame_->height, {}, {}};
  for (int row = 0; row < decoded.height; ++row) {
    const uint8_t* line = frame_->data[0] + static_cast<ptrdiff_t>(row) * frame_->linesize[0];
    decoded.luma.insert(decoded.luma.end(), line, line + decoded.width);
  }
  decoded.barcode =
      decode_barcode(decoded.luma.data(), decoded.width, decoded.height, decoded.width);
  av_frame_unref(frame_);
  return decoded;
}

}  // namespace kvm_standin
