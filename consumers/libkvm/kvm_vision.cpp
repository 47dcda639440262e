// SPDX-License-Identifier: Apache-2.0
#include "kvm_vision.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>

#include "lent_buffers.h"
#include "vision.h"

namespace framering::libkvm {

namespace {

// The one global: the vendor's functions have no handle.
struct Library {
  std::mutex mutex;                // guards vision
  std::shared_ptr<Vision> vision;  // null: not initialised. A read that is under way shares it
  LentBuffers lent;
};

// Never destroyed: the server's threads may call until its last moment.
Library& library() {
  static auto* const only = new Library;
  return *only;
}

std::shared_ptr<Vision> vision() {
  const std::lock_guard lock(library().mutex);
  return library().vision;
}

// No exception may reach a caller in another language.
template <typename Result>
Result guarded(Result otherwise, auto&& call) noexcept {
  try {
    return call();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "libkvm: %s\n", failure.what());
    return otherwise;
  }
}

int read(const Request& request, SharedCursor::Codec codec, std::uint8_t** data,
         std::uint32_t* size) {
  const std::shared_ptr<Vision> now = vision();
  if (!now) return KVMV_NO_IMAGE;
  if (library().lent.full()) return KVMV_BUFFER_FULL;
  const std::shared_ptr<const Picture> picture = now->read(codec, request);
  const int result = picture->result;
  if (result != KVMV_IS_JPEG && result != KVMV_IS_I && result != KVMV_IS_P) return result;
  *data = library().lent.lend(picture->bytes, result);
  *size = static_cast<std::uint32_t>(picture->bytes.size());
  return result;
}

}  // namespace

}  // namespace framering::libkvm

using namespace framering::libkvm;

void kvmv_init(uint8_t debug) {
  (void)guarded(false, [&] {
    const std::lock_guard lock(library().mutex);
    if (!library().vision) library().vision = std::make_shared<Vision>(debug != 0);
    return true;
  });
}

void kvmv_deinit() {
  std::shared_ptr<Vision> ending;
  {
    const std::lock_guard lock(library().mutex);
    ending.swap(library().vision);
  }
  if (ending) ending->close();
  library().lent.take_back_all();
}

int kvmv_read_img(uint16_t width, uint16_t height, uint8_t type, uint16_t quality, uint8_t** data,
                  uint32_t* size) {
  if (data == nullptr || size == nullptr) return KVMV_NO_IMAGE;
  *data = nullptr;
  *size = 0;
  if (type != KVMV_MJPEG && type != KVMV_H264) return KVMV_NO_IMAGE;
  const auto codec = type == KVMV_H264 ? SharedCursor::Codec::h264 : SharedCursor::Codec::mjpeg;
  return guarded<int>(KVMV_NO_IMAGE, [&] {
    return read({width, height, quality}, codec, data, size);
  });
}

int free_kvmv_data(uint8_t** data) {
  if (data == nullptr || *data == nullptr) return KVMV_NO_IMAGE;
  const int held = library().lent.take_back(*data).value_or(KVMV_NO_IMAGE);
  *data = nullptr;
  return held;
}

void free_all_kvmv_data() {
  library().lent.take_back_all();
}

void set_h264_gop(uint8_t frames) {
  (void)guarded(false, [&] {
    if (const auto now = vision()) now->set_gop(frames);
    return true;
  });
}

void set_frame_detact(uint8_t frames) {
  (void)guarded(false, [&] {
    if (const auto now = vision()) now->set_frame_detect(frames);
    return true;
  });
}

void set_venc_auto_recyc(uint8_t /*enable*/) {}

uint8_t kvmv_hdmi_control(uint8_t enable) {
  constexpr uint8_t kFailed = 255;
  return guarded<uint8_t>(kFailed, [&] {
    const auto now = vision();
    return now && now->set_hdmi(enable != 0) ? uint8_t{0} : kFailed;
  });
}

uint8_t kvmv_hdmi_signal_active() {
  return guarded<uint8_t>(0, [] {
    const auto now = vision();
    return uint8_t{now && now->has_signal()};
  });
}
