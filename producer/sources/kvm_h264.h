// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "output.h"
#include "sources/still_detector.h"
#include "sources/vendor_library.h"
#include "watchdog.h"

namespace framering {

// A picture as the vendor's capture hands it out.
struct VendorPicture {
  std::uint8_t* data = nullptr;
  int bytes = 0;
  int width = 0;   // pixels
  int height = 0;  // pixels
  int format = 0;
  std::uint64_t captured_ns = 0;  // CLOCK_MONOTONIC
};

// The vendor's H.264 channel. A change of size, rate or GOP means another channel (the vendor's
// rule), and another channel begins with a key frame; so a change that can wait does, for the end
// of the group of pictures, where a key frame is due anyway.
class KvmH264 {
 public:
  struct Wish {
    std::uint32_t fps = 0;
    std::uint32_t gop = 0;  // frames
    std::uint32_t bitrate_kbps = 0;
  };

  KvmH264(VendorLibrary& vendor, Watchdog& watchdog) : vendor_(vendor), watchdog_(watchdog) {}
  ~KvmH264();
  KvmH264(const KvmH264&) = delete;
  KvmH264& operator=(const KvmH264&) = delete;

  void request_key_frame() noexcept { key_wanted_ = true; }
  // What has changed holds from the next picture, not from the next group.
  void apply_at_once() noexcept { urgent_ = true; }
  // The next picture gets another channel.
  void drop_channel();

  // Encodes a popped picture and publishes it. Takes the picture over: it is given back to the
  // capture in every case. False: the encoder failed; the next picture gets another channel.
  [[nodiscard]] bool encode(const VendorPicture& picture, const Wish& wish, Output& output);

 private:
  [[nodiscard]] bool ready_channel(const VendorPicture& picture, const Wish& wish, Output& output);
  [[nodiscard]] VendorVencConfig config_for(const VendorPicture& picture, const Wish& wish) const;
  void publish(const VendorStream& stream, const VendorPicture& picture, Output& output);
  void note_picture(std::size_t bytes, bool key);

  VendorLibrary& vendor_;
  Watchdog& watchdog_;
  bool channel_there_ = false;
  VendorVencConfig config_;  // of the channel
  bool key_wanted_ = false;
  bool urgent_ = false;
  bool burst_ = false;          // better quality until the group of pictures ends
  std::int32_t since_key_ = 0;  // pictures of this group so far
  StillDetector still_;
};

}  // namespace framering
