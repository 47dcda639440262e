// SPDX-License-Identifier: Apache-2.0
//
// The symbols of libkvm_mmf.so. Nothing else of the stand-in is visible.
#include <cstdio>
#include <exception>

#include "idr_hook.h"
#include "vendor_library.h"

#define KVM_EXPORT [[gnu::visibility("default")]]

namespace {

using kvm_standin::VendorLibrary;

// One for the process, as the vendor's interface knows no handle. Its destructor removes the
// control socket when the process exits.
VendorLibrary& library() {
  static VendorLibrary instance;
  return instance;
}

// Nothing may be thrown into a host that called a C interface.
template <typename Call>
int guarded(Call call) noexcept {
  try {
    return call(library());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kvm_mmf stand-in: %s\n", error.what());
    return kvm_standin::kEncoderError;
  }
}

int request_idr(int channel) {
  return guarded([&](VendorLibrary& kvm) { return kvm.request_idr(channel); });
}

}  // namespace

KVM_EXPORT int mmf_init() {
  kvm_standin_set_idr_hook(&request_idr);
  return guarded([](VendorLibrary& kvm) { return kvm.init(); });
}

KVM_EXPORT int mmf_try_deinit(bool force) {
  return guarded([&](VendorLibrary& kvm) { return kvm.try_deinit(force); });
}

KVM_EXPORT int mmf_vi_init() {
  return guarded([](VendorLibrary& kvm) { return kvm.vi_init(); });
}

KVM_EXPORT int mmf_add_vi_channel(int ch, int w, int h, int format) {
  return guarded([&](VendorLibrary& kvm) { return kvm.add_vi_channel(ch, w, h, format); });
}

KVM_EXPORT int mmf_del_vi_channel(int ch) {
  return guarded([&](VendorLibrary& kvm) { return kvm.del_vi_channel(ch); });
}

KVM_EXPORT int mmf_vi_frame_pop(int ch, void** data, int* len, int* w, int* h, int* format) {
  return guarded([&](VendorLibrary& kvm) { return kvm.vi_frame_pop(ch, data, len, w, h, format); });
}

KVM_EXPORT void mmf_vi_frame_free(int ch) {
  library().vi_frame_free(ch);
}

KVM_EXPORT void mmf_vi_frame_release(int ch) {
  library().vi_frame_release(ch);
}

KVM_EXPORT int mmf_add_venc_channel(int ch, mmf_venc_cfg_t* cfg) {
  return guarded([&](VendorLibrary& kvm) { return kvm.add_venc_channel(ch, *cfg); });
}

KVM_EXPORT int mmf_venc_push(int ch, uint8_t* data, int w, int h, int format) {
  return guarded([&](VendorLibrary& kvm) { return kvm.venc_push(ch, data, w, h, format); });
}

KVM_EXPORT int mmf_venc_pop(int ch, mmf_stream_t* stream) {
  return guarded([&](VendorLibrary& kvm) { return kvm.venc_pop(ch, stream); });
}

KVM_EXPORT int mmf_venc_free(int ch) {
  return guarded([&](VendorLibrary& kvm) { return kvm.venc_free(ch); });
}

KVM_EXPORT int mmf_del_venc_channel(int ch) {
  return guarded([&](VendorLibrary& kvm) { return kvm.del_venc_channel(ch); });
}

KVM_EXPORT int mmf_enc_jpg_init(int ch, int w, int h, int format, int quality) {
  return guarded([&](VendorLibrary& kvm) { return kvm.jpg_init(ch, w, h, format, quality); });
}

KVM_EXPORT int mmf_enc_jpg_push_with_quality(int ch, uint8_t* data, int w, int h, int format,
                                             int quality) {
  return guarded([&](VendorLibrary& kvm) { return kvm.jpg_push(ch, data, w, h, format, quality); });
}

KVM_EXPORT int mmf_enc_jpg_pop(int ch, uint8_t** data, int* size) {
  return guarded([&](VendorLibrary& kvm) { return kvm.jpg_pop(ch, data, size); });
}

KVM_EXPORT int mmf_enc_jpg_free(int ch) {
  return guarded([&](VendorLibrary& kvm) { return kvm.jpg_free(ch); });
}

KVM_EXPORT int mmf_enc_jpg_deinit(int ch) {
  return guarded([&](VendorLibrary& kvm) { return kvm.jpg_deinit(ch); });
}
