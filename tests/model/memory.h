// SPDX-License-Identifier: Apache-2.0
//
// A memory in which every order that C++20 allows can be played: each word has a history of stores,
// each thread a view (the newest store of each word that has reached it).
//
//   load     takes any store of the word that is not older than the thread's view of that word
//   store    is the word's next, and carries what an acquire load of it hands over:
//            release: the storing thread's view; relaxed: its view at its last release fence
//   fences   release: remembers the view; acquire: takes over what relaxed loads have seen;
//            seq_cst: both, and exchanges views with one view that all of these fences share
//
// That is a store buffer for each pair of processes, from which stores drain in any order: weaker
// than TSO, PSO and the arm64 and riscv64 models, but for one thing, a load that is satisfied after
// later stores of its own thread. Copies and looks at frames have that too (hooks.cpp, settle).
// Every word has one writer, so a word's history is the order in which its writer ran.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace framering::model {

inline constexpr int kMaxWords = 56;     // known to one world
inline constexpr int kMaxStores = 1000;  // in one execution
inline constexpr int kMaxThreads = 4;
using Time = std::uint8_t;  // a store's place in its word's history

struct View {
  std::array<Time, kMaxWords> at{};
  void join(const View& other) noexcept {
    for (int i = 0; i < kMaxWords; ++i) at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
  }
};

struct Store {
  std::uint64_t value = 0;
  View carried;
  std::uint16_t previous = 0;  // of the same word
  std::uint8_t word = 0;
  Time time = 0;
};

// Trivially copyable; only the stores in use need copying (used_bytes).
class Memory {
 public:
  void reset() noexcept;
  int add_word(std::uint64_t initial) noexcept;
  [[nodiscard]] int words() const noexcept { return word_count_; }

  // Stores that a load may take: 0 is the newest. `floor`: the thread's view when the load was
  // issued, if that was before now (a delayed load), else its present one.
  [[nodiscard]] int choices(int word, Time floor) const noexcept {
    return newest(word).time - floor + 1;
  }
  [[nodiscard]] Time view(int thread, int word) const noexcept {
    return views_[thread].now.at[word];
  }
  [[nodiscard]] Time newest_time(int word) const noexcept { return newest(word).time; }
  [[nodiscard]] std::uint64_t newest_value(int word) const noexcept { return newest(word).value; }

  // What the thread's view has it as.
  [[nodiscard]] std::uint64_t viewed_value(int thread, int word) const noexcept;

  std::uint64_t load(int thread, int word, int choice, bool acquire) noexcept;
  void store(int thread, int word, std::uint64_t value, bool release) noexcept;
  void fence_acquire(int thread) noexcept { views_[thread].now.join(views_[thread].seen); }
  void fence_release(int thread) noexcept { views_[thread].fenced = views_[thread].now; }
  void fence_seq_cst(int thread) noexcept;
  void end(int thread) noexcept { ended_[thread] = true; }  // its view no longer counts

  // Of what the threads that run can still see; equal for equal futures. `pending` of a thread:
  // lower bounds of its delayed loads.
  [[nodiscard]] std::uint64_t hash(const View& pending_floor) const noexcept;
  [[nodiscard]] std::size_t used_bytes() const noexcept;

 private:
  struct Views {
    View now;
    View seen;    // what relaxed loads have met: an acquire fence makes it ours
    View fenced;  // `now` at the last release fence: what relaxed stores carry
  };
  [[nodiscard]] const Store& newest(int word) const noexcept { return stores_[newest_[word]]; }

  std::array<Views, kMaxThreads> views_{};
  std::array<bool, kMaxThreads> ended_{};
  View seq_cst_;
  std::array<std::uint16_t, kMaxWords> newest_{};
  int word_count_ = 0;
  int store_count_ = 0;
  std::array<Store, kMaxStores> stores_{};

 public:
  static const std::size_t kFixedBytes;  // of them, what used_bytes needs is among the first
};

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept;
std::uint64_t hash_bytes(const void* data, std::size_t bytes, std::uint64_t seed) noexcept;

}  // namespace framering::model
