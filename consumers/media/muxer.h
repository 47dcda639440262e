// SPDX-License-Identifier: Apache-2.0
//
// Encoded frames -> the bytes of a file, by libavformat, without encoding anything again. The bytes
// come front to back: a file that ends anywhere plays up to there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "timeline.h"

namespace framering {

enum class Container : std::uint8_t { mp4, mkv, ts };
[[nodiscard]] const char* to_string(Container container) noexcept;  // "mp4": the file's extension
[[nodiscard]] std::optional<Container> container_named(const std::string& extension) noexcept;

struct MuxerOptions {
  Container container = Container::mp4;
  std::uint32_t codec = 0;                    // kCodecH264, kCodecH265 or kCodecMjpeg
  std::uint32_t width = 0, height = 0;        // pixels
  std::span<const std::byte> parameter_sets;  // Annex-B; none of MJPEG
  int scale = 0;                              // of the stamps, see Timeline
  std::int64_t began_ms = 0;                  // CLOCK_REALTIME of the first frame
  std::string title;
};

// One file. Not thread-safe. What a muxer holds back is at most a fragment: 0.3 s or 1 MiB.
class Muxer {
 public:
  static constexpr int kFragment_ms = 300;
  static constexpr std::size_t kFragmentBytes = std::size_t{1} << 20;

  // Throws std::runtime_error with a sentence for people.
  explicit Muxer(const MuxerOptions& options);
  ~Muxer();
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  // Frames in decoding order; the first one is a key frame. Throws std::runtime_error.
  void write(std::span<const std::byte> frame, Timeline::Stamps stamps, bool key);
  // Ends the fragment: take() then gives everything that was written.
  void flush();
  // Ends the file.
  void finish();

  // The bytes that are to follow in the file; maybe none yet.
  [[nodiscard]] std::vector<std::byte> take() noexcept;

 private:
  static int collect(void* self, std::uint8_t* bytes, int size);
  void begin(const MuxerOptions& options);

  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::vector<std::byte> out_;
};

}  // namespace framering
