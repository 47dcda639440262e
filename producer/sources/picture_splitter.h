// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "options.h"
#include "sources/jpeg_scanner.h"
#include "sources/nal.h"

namespace framering {

// Cuts a stream of bytes into pictures. Its buffer is allocated once.
//
// A picture of H.264 and H.265 is known to be whole when the next one begins, so it comes out one
// picture late; a JPEG says itself where it ends.
class PictureSplitter {
 public:
  enum class Found : std::uint8_t {
    picture,
    too_large,  // a picture of more than the limit was skipped
    nothing,    // more bytes are needed
  };

  PictureSplitter(PipeFormat format, std::size_t max_picture_bytes);

  // Where the next bytes go: never empty. Then wrote() says how many came. Makes what next() gave
  // invalid.
  [[nodiscard]] std::span<std::byte> window() noexcept;
  void wrote(std::size_t bytes) noexcept { end_ += bytes; }
  void end_of_input() noexcept { ended_ = true; }

  [[nodiscard]] Found next(std::span<const std::byte>& picture) noexcept;

  // Bytes that belong to no picture, so far.
  [[nodiscard]] std::uint64_t garbage_bytes() const noexcept { return garbage_bytes_; }
  // After the end of input: what is left of a picture whose end is missing (JPEG).
  [[nodiscard]] std::size_t leftover_bytes() const noexcept { return end_ - begin_; }

 private:
  [[nodiscard]] std::span<const std::byte> held() const noexcept {
    return {buffer_.get() + begin_, end_ - begin_};
  }
  void skip_garbage() noexcept;
  void drop_garbage(std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t end_of_picture() noexcept;

  const PipeFormat format_;
  const std::size_t capacity_;
  const std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  AccessUnitScanner units_;
  JpegScanner jpegs_;
  bool in_picture_ = false;  // `begin_` is at the first byte of a picture
  bool oversize_ = false;    // of the picture at hand, the first bytes were thrown away
  bool ended_ = false;
  std::uint64_t garbage_bytes_ = 0;
};

}  // namespace framering
