// SPDX-License-Identifier: Apache-2.0
#include "sources/picture_splitter.h"

#include <algorithm>
#include <cstring>

namespace framering {
namespace {

constexpr std::size_t kChunkBytes = 64u << 10;  // a pipe's usual capacity
constexpr std::size_t kMarkBytes = 4;           // the longest mark that a picture begins with

}  // namespace

PictureSplitter::PictureSplitter(PipeFormat format, std::size_t max_picture_bytes)
    : format_(format),
      capacity_(max_picture_bytes + kChunkBytes),
      buffer_(new std::byte[capacity_]),
      units_(format == PipeFormat::h265 ? NalCodec::h265 : NalCodec::h264) {}

std::span<std::byte> PictureSplitter::window() noexcept {
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_) {
    // next() has looked at all of it and found no end: more than the limit. Its rest is passed by.
    oversize_ = true;
    const std::size_t dropped =
        std::max(format_ == PipeFormat::mjpeg ? jpegs_.drop_scanned(end_) : units_.drop_scanned(),
                 std::size_t{1});
    std::memmove(buffer_.get(), buffer_.get() + dropped, end_ - dropped);
    end_ -= dropped;
  }
  return {buffer_.get() + end_, std::min(capacity_ - end_, kChunkBytes)};
}

void PictureSplitter::drop_garbage(std::size_t bytes) noexcept {
  begin_ += bytes;
  garbage_bytes_ += bytes;
}

// To where a picture begins; the last bytes stay, as they may be half of its mark.
void PictureSplitter::skip_garbage() noexcept {
  const std::span<const std::byte> bytes = held();
  std::size_t at = 0;
  if (format_ == PipeFormat::mjpeg) {
    at = find_jpeg(bytes, 0);
  } else {
    at = find_start_code(bytes, 0);
    if (at > 0 && at < bytes.size() && bytes[at - 1] == std::byte{0}) --at;
  }
  in_picture_ = at < bytes.size();
  if (!in_picture_) at = ended_ || bytes.size() < kMarkBytes ? 0 : bytes.size() - kMarkBytes + 1;
  drop_garbage(at);
}

std::size_t PictureSplitter::end_of_picture() noexcept {
  if (format_ != PipeFormat::mjpeg) {
    const std::size_t end = units_.end_of_unit(held());
    if (end != 0 || !ended_) return end;
    units_.restart();
    return held().size();
  }
  const std::size_t end = jpegs_.end_of_picture(held());
  if (jpegs_.broken()) {
    // What looked like a picture is none: on behind its first byte.
    jpegs_.restart();
    in_picture_ = false;
    oversize_ = false;
    drop_garbage(std::min(held().size(), std::size_t{1}));
  }
  return end;
}

PictureSplitter::Found PictureSplitter::next(std::span<const std::byte>& picture) noexcept {
  for (;;) {
    if (!in_picture_) skip_garbage();
    if (!in_picture_ || held().empty()) return Found::nothing;
    const std::size_t size = end_of_picture();
    if (size == 0) {
      if (in_picture_) return Found::nothing;
      continue;  // a broken JPEG: look for the next one
    }
    picture = held().first(size);
    begin_ += size;
    in_picture_ = format_ != PipeFormat::mjpeg;  // of Annex B, the next picture begins right here
    if (oversize_) {
      oversize_ = false;
      return Found::too_large;
    }
    return Found::picture;
  }
}

}  // namespace framering
