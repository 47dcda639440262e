// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/stream_reader.h"

namespace framering::libkvm {

struct Picture {
  int result;  // kvm_vision.h
  bool of_another_producer = false;
  std::vector<std::byte> bytes;  // of results JPEG, I and P
};

// The place of all callers in one stream. The vendor's call does not say who calls (and a thread is
// nobody: goroutines wander), so callers cannot have places of their own. Instead, who calls while
// a read is under way joins it and gets the same frame: viewers that keep up all get every frame,
// where the vendor's library gives each frame to one of them. A caller that comes late misses what
// others took meanwhile. Any thread.
class SharedCursor {
 public:
  enum class Codec : std::uint8_t { mjpeg, h264 };
  SharedCursor(const std::string& stream, Codec codec);

  // The next frame, after the time that the vendor's call would take at most. Never null.
  [[nodiscard]] std::shared_ptr<const Picture> read();
  // Attaches no more, and ends a read that is under way within 0.1 s.
  void close() noexcept { closed_.store(true, std::memory_order_relaxed); }

  // A picture with the same bytes as the one before is `unchanged`.
  void detect_unchanged(bool on) noexcept { detect_.store(on, std::memory_order_relaxed); }
  void request_key_frame();
  // Lets go of the stream when nobody has read for a while. False: there is nothing to let go of.
  bool rest_when_idle();

 private:
  void take(Picture& picture);
  [[nodiscard]] StreamReader& open();
  void hand_over(StreamReader& reader, const Frame& frame, Picture& picture);
  void keep_up(const StreamReader& reader, const Frame& frame);

  const ReaderOptions options_;
  const Codec codec_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> detect_{false};

  std::mutex mutex_;
  std::condition_variable finished_;
  std::shared_ptr<Picture> under_way_;  // of the thread that reads; null: nobody does
  std::uint64_t used_ns_ = 0;
  // Made and dropped with the mutex, by whom reads or when nobody does; else used by whom reads.
  std::optional<StreamReader> reader_;

  // Of the thread that reads.
  std::uint64_t generation_ = 0;
  int frames_behind_ = 0;
  std::vector<std::byte> last_;  // for detect_unchanged
  std::string complaint_;        // as told last
};

}  // namespace framering::libkvm
