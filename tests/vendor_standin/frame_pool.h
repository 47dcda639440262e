// SPDX-License-Identifier: Apache-2.0
//
// The buffers that the vendor's scaler (VPSS) fills, and what the caller did with the newest one.
// Released buffers are unmapped, as on the hardware: touching one is a SIGSEGV.
#pragma once

#include <array>
#include <cstddef>

#include "nv21.h"

namespace kvm_standin {

enum class FrameState {
  kNone,      // no frame is out
  kHeld,      // popped: the caller may read it
  kDeferred,  // after vi_frame_free: only the encoder may use it
  kEncoding,  // in the encoder, until venc_free
};

class FramePool {
 public:
  // Throws std::system_error when the memory is refused.
  FramePool(int width, int height);
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // The other buffer becomes the frame, writable and held.
  const Nv21Picture& take();
  void release();

  const Nv21Picture& frame() const { return frame_; }
  FrameState state() const { return state_; }
  void set_state(FrameState state) { state_ = state; }

  // True when the address lies in a buffer whose frame was released.
  bool was_released(const void* address) const;
  bool is_frame(const void* address) const {
    return state_ != FrameState::kNone && address == frame_.data;
  }

 private:
  static constexpr size_t kBuffers = 2;  // what the vendor's pool has

  std::array<std::byte*, kBuffers> buffers_{};
  size_t buffer_bytes_;
  size_t current_ = 0;
  Nv21Picture frame_;
  FrameState state_ = FrameState::kNone;
};

}  // namespace kvm_standin
