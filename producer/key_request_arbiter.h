// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace framering {

// Merges the key-frame requests of all readers of a stream, and lets few of them through: a key
// frame costs several times the bits of another one, so a viewer that asks all the time would lower
// everybody's quality.
class KeyRequestArbiter {
 public:
  // A little over half a second, so that no second, wherever it begins, sees more than two.
  static constexpr std::uint64_t kSpacing_ns = 550'000'000;

  void ask() noexcept { wanted_ = true; }
  // A key frame was published: it serves all who asked before.
  void key_frame_published() noexcept { wanted_ = false; }
  // True: pass one request on to the encoder now. The first one goes at once.
  [[nodiscard]] bool grant(std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool wanted() const noexcept { return wanted_; }

 private:
  bool wanted_ = false;
  bool granted_before_ = false;
  std::uint64_t granted_ns_ = 0;
};

}  // namespace framering
