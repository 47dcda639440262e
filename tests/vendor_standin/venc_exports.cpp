// SPDX-License-Identifier: Apache-2.0
//
// libvenc.so: of the vendor's encoder library, the one call that NanoKVM makes by itself.
#include <atomic>

#include "abi.h"
#include "call_rules.h"
#include "idr_hook.h"

#define KVM_EXPORT [[gnu::visibility("default")]]

namespace {

// Relaxed: hook and state behind it belong to the one vendor thread; any other thread is told so.
std::atomic<int (*)(int)> idr_hook{nullptr};

}  // namespace

extern "C" KVM_EXPORT void kvm_standin_set_idr_hook(int (*request_idr)(int channel)) {
  idr_hook.store(request_idr, std::memory_order_relaxed);
}

extern "C" KVM_EXPORT int CVI_VENC_RequestIDR(int channel, int instant) {
  (void)instant;  // the next pushed picture becomes the IDR either way
  const auto request_idr = idr_hook.load(std::memory_order_relaxed);
  if (request_idr == nullptr) {
    kvm_standin::broke_rule("CVI_VENC_RequestIDR", "called before mmf_init");
  }
  return request_idr(channel);
}
