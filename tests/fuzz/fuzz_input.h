// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace framering::fuzz {

using Seed = std::vector<std::uint8_t>;
// What a target begins with: one good input of each kind. Defined by each target.
[[nodiscard]] std::vector<Seed> seeds();
// Of a target whose first byte says which parser gets the rest.
[[nodiscard]] inline Seed seed_of(std::uint8_t kind, std::string_view rest) {
  Seed seed(1 + rest.size(), kind);
  std::copy(rest.begin(), rest.end(), seed.begin() + 1);
  return seed;
}

// The fuzzer's bytes, taken from the front as choices; what is left is payload.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size)
      : left_(reinterpret_cast<const std::byte*>(data), size) {}

  // 0 when there is nothing left.
  template <typename Number>
  [[nodiscard]] Number take() noexcept {
    Number number = 0;
    const std::size_t bytes = std::min(sizeof number, left_.size());
    std::memcpy(&number, left_.data(), bytes);
    left_ = left_.subspan(bytes);
    return number;
  }
  [[nodiscard]] std::span<const std::byte> take_bytes(std::size_t most) noexcept {
    const auto taken = left_.first(std::min(most, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
};

// What holds whatever the input: a crash that libFuzzer keeps the input of.
inline void demand(bool holds, const char* what) noexcept {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Reads every byte, so that AddressSanitizer sees each.
inline void touch(std::span<const std::byte> bytes) noexcept {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

}  // namespace framering::fuzz
