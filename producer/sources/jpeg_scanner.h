// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace framering {

// Finds where JPEG pictures end in a stream, by their marker segments (ITU-T T.81 annex B), so that
// a thumbnail inside a segment is not taken for a picture. Bytes may come in pieces of any size.
class JpegScanner {
 public:
  // `bytes` begins at SOI and is what has come so far. The size of the picture, EOI included; 0:
  // more bytes are needed. broken(): this is no JPEG.
  [[nodiscard]] std::size_t end_of_picture(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  void restart() noexcept;
  // The picture is longer than anybody wants: how many of the first `size` bytes, all looked at,
  // the caller may throw away.
  [[nodiscard]] std::size_t drop_scanned(std::size_t size) noexcept;

 private:
  std::size_t at_ = 0;    // next byte to look at; may lie behind what has come
  bool begun_ = false;    // SOI was seen
  bool in_scan_ = false;  // behind SOS: entropy-coded bytes up to the next marker
  bool broken_ = false;
};

// The first SOI (FF D8 FF) at or after `from`; bytes.size() when there is none.
[[nodiscard]] std::size_t find_jpeg(std::span<const std::byte> bytes, std::size_t from) noexcept;

struct JpegSize {
  std::uint32_t width = 0;  // pixels; both 0: no frame header found
  std::uint32_t height = 0;
};
[[nodiscard]] JpegSize jpeg_size(std::span<const std::byte> jpeg) noexcept;

}  // namespace framering
