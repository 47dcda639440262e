// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

namespace framering::libkvm {

// What callers hold until they free it. Any thread.
class LentBuffers {
 public:
  // A caller that frees nothing is to hear of it before the memory is full (the vendor: 4).
  static constexpr std::size_t kMost = 16;

  [[nodiscard]] bool full() const {
    const std::lock_guard lock(mutex_);
    return lent_.size() >= kMost;
  }

  [[nodiscard]] std::uint8_t* lend(std::span<const std::byte> bytes, int result) {
    auto copy = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(),
              std::as_writable_bytes(std::span(copy.get(), bytes.size())).begin());
    std::uint8_t* const data = copy.get();
    const std::lock_guard lock(mutex_);
    lent_.emplace(data, Lent{std::move(copy), result});
    return data;
  }

  // The result that it was lent with; nothing: it is not lent.
  std::optional<int> take_back(const std::uint8_t* data) {
    const std::lock_guard lock(mutex_);
    const auto found = lent_.find(data);
    if (found == lent_.end()) return {};
    const int result = found->second.result;
    lent_.erase(found);
    return result;
  }

  void take_back_all() {
    const std::lock_guard lock(mutex_);
    lent_.clear();
  }

 private:
  struct Lent {
    std::unique_ptr<std::uint8_t[]> bytes;
    int result;
  };
  mutable std::mutex mutex_;
  std::unordered_map<const std::uint8_t*, Lent> lent_;
};

}  // namespace framering::libkvm
