// SPDX-License-Identifier: Apache-2.0
#include "frame_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <functional>
#include <system_error>

namespace kvm_standin {

FramePool::FramePool(int width, int height) : frame_{nullptr, width, height, aligned_width(width)} {
  constexpr size_t kPage = 4096;
  buffer_bytes_ = (frame_.bytes() + kPage - 1) / kPage * kPage;
  for (std::byte*& buffer : buffers_) {
    void* memory = mmap(nullptr, buffer_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "VPSS pool");
    buffer = static_cast<std::byte*>(memory);
  }
}

FramePool::~FramePool() {
  for (std::byte* buffer : buffers_) munmap(buffer, buffer_bytes_);
}

const Nv21Picture& FramePool::take() {
  current_ = (current_ + 1) % kBuffers;
  mprotect(buffers_[current_], buffer_bytes_, PROT_READ | PROT_WRITE);
  frame_.data = reinterpret_cast<uint8_t*>(buffers_[current_]);
  state_ = FrameState::kHeld;
  return frame_;
}

void FramePool::release() {
  if (state_ == FrameState::kNone) return;
  mprotect(buffers_[current_], buffer_bytes_, PROT_NONE);
  state_ = FrameState::kNone;
}

bool FramePool::was_released(const void* address) const {
  // std::less orders unrelated pointers as well.
  const std::less<> before;
  for (size_t i = 0; i < kBuffers; ++i) {
    const bool inside = !before(address, static_cast<const void*>(buffers_[i])) &&
                        before(address, static_cast<const void*>(buffers_[i] + buffer_bytes_));
    if (inside) return i != current_ || state_ == FrameState::kNone;
  }
  return false;
}

}  // namespace kvm_standin
