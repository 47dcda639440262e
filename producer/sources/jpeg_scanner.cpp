// SPDX-License-Identifier: Apache-2.0
#include "jpeg_scanner.h"

#include <algorithm>
#include <cstring>

namespace framering {
namespace {

constexpr unsigned kSoi = 0xD8, kEoi = 0xD9, kSos = 0xDA;

unsigned at(std::span<const std::byte> bytes, std::size_t index) noexcept {
  return std::to_integer<unsigned>(bytes[index]);
}

std::size_t be16(std::span<const std::byte> bytes, std::size_t index) noexcept {
  return at(bytes, index) << 8 | at(bytes, index + 1);
}

// RST0..7 and TEM are markers without a segment.
bool stands_alone(unsigned marker) noexcept {
  return (marker >= 0xD0 && marker <= 0xD7) || marker == 0x01;
}

// SOF0..15 without DHT, JPG and DAC, which share the range.
bool is_frame_header(unsigned marker) noexcept {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

}  // namespace

std::size_t find_jpeg(std::span<const std::byte> bytes, std::size_t from) noexcept {
  for (std::size_t i = from; i + 2 < bytes.size(); ++i) {
    const void* found = std::memchr(bytes.data() + i, 0xFF, bytes.size() - 2 - i);
    if (found == nullptr) break;
    i = static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
    if (at(bytes, i + 1) == kSoi && at(bytes, i + 2) == 0xFF) return i;
  }
  return bytes.size();
}

std::size_t JpegScanner::end_of_picture(std::span<const std::byte> bytes) noexcept {
  if (!begun_) {
    if (bytes.size() < 2) return 0;
    begun_ = true;
    broken_ = at(bytes, 0) != 0xFF || at(bytes, 1) != kSoi;
    at_ = 2;
  }
  while (!broken_ && at_ + 1 < bytes.size()) {
    if (in_scan_) {
      const void* found = std::memchr(bytes.data() + at_, 0xFF, bytes.size() - 1 - at_);
      if (found == nullptr) {
        at_ = bytes.size() - 1;
        return 0;
      }
      at_ = static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
      const unsigned next = at(bytes, at_ + 1);
      if (next == 0 || next == 0xFF || stands_alone(next)) {
        at_ += next == 0xFF ? 1 : 2;
        continue;
      }
      in_scan_ = false;
    }
    if (at(bytes, at_) != 0xFF) {
      broken_ = true;
      break;
    }
    const unsigned marker = at(bytes, at_ + 1);
    if (marker == 0xFF) {  // fill byte
      ++at_;
      continue;
    }
    if (marker == kEoi) {
      const std::size_t size = at_ + 2;
      restart();
      return size;
    }
    if (stands_alone(marker)) {
      at_ += 2;
      continue;
    }
    if (marker == 0 || marker == kSoi) {
      broken_ = true;
      break;
    }
    if (at_ + 3 >= bytes.size()) return 0;
    const std::size_t length = be16(bytes, at_ + 2);
    if (length < 2) {
      broken_ = true;
      break;
    }
    // The segment may not all be there yet; the next look begins behind it.
    at_ += 2 + length;
    in_scan_ = marker == kSos;
  }
  return 0;
}

std::size_t JpegScanner::drop_scanned(std::size_t size) noexcept {
  const std::size_t dropped = std::min(at_, size);
  at_ -= dropped;
  return dropped;
}

void JpegScanner::restart() noexcept {
  at_ = 0;
  begun_ = false;
  in_scan_ = false;
  broken_ = false;
}

JpegSize jpeg_size(std::span<const std::byte> jpeg) noexcept {
  std::size_t i = 2;
  while (i + 9 <= jpeg.size() && at(jpeg, i) == 0xFF) {
    const unsigned marker = at(jpeg, i + 1);
    if (marker == 0xFF) {
      ++i;
    } else if (stands_alone(marker)) {
      i += 2;
    } else if (marker == kSos || marker == kEoi) {
      break;
    } else if (is_frame_header(marker)) {
      return {static_cast<std::uint32_t>(be16(jpeg, i + 7)),
              static_cast<std::uint32_t>(be16(jpeg, i + 5))};
    } else {
      i += 2 + be16(jpeg, i + 2);
    }
  }
  return {};
}

}  // namespace framering
