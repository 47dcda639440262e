// SPDX-License-Identifier: Apache-2.0
//
// Threads of real code that stop before each step that another thread could notice, and can be put
// back to any earlier state. What they own (stacks, heap, the shared memory's histories, what the
// kernel knows of them) lies in one region, so a state is a copy of it.
#pragma once

#include <setjmp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "memory.h"

namespace framering::model {

// A step that a thread is about to take. All else it does (computing, stores, acquire and release
// fences) is done at once, without a choice: that a store is there can only add to what others may
// load, never take from it.
struct Step {
  enum class Kind : std::uint8_t { load, fence_seq_cst, futex_wait, futex_wake, await, end };
  enum class Sleep : std::uint8_t { no, asleep, woken };
  Kind kind = Kind::end;
  Sleep sleep = Sleep::no;  // in futex_wait
  bool acquire = false;
  std::uint8_t word = 0;
  Time floor = 0;             // of a load: the oldest store that it may take
  std::uint64_t value = 0;    // of futex_wait: sleeps while the word is this
  const char* function = "";  // of the real code
};

// A load that was issued but need not be satisfied yet: part of a copy, or a look at a frame.
struct DelayedLoad {
  void* to = nullptr;
  std::uint8_t word = 0;
  Time floor = 0;
  bool look = false;  // not looked at by the real code: outlives a fence that a mutant removed
};

// A store that a mutant holds back, until the next step or fence of this description.
struct DelayedStore {
  int word = -1;
  std::uint64_t value = 0;
  bool release = false;
  const char* until = nullptr;
};

inline constexpr int kMaxDelayed = 12;

struct Thread {
  const char* name = "";
  bool producer = false;  // belongs to the producer's process
  bool ended = false;
  jmp_buf context;
  char* stack_low = nullptr;  // nothing below it is in use
  char* stack_end = nullptr;
  Step next;
  std::uint64_t result = 0;   // of the step just taken
  std::uint64_t history = 0;  // of all results: what the thread knows, hence what it does next
  std::uint32_t steps = 0;
  int slot_looks = -1;  // ends instead of looking at one slot more; -1: no limit
  std::uint8_t last_loaded = 0;
  int delayed_loads = 0;
  std::array<DelayedLoad, kMaxDelayed> loads{};
  std::array<DelayedStore, 4> stores{};
};

// A memfd of a world. Pages are as the setup left them; what changes later is in Memory.
struct Block {
  std::size_t bytes = 0;
  int read_only_mappings = 0;  // of the producer, for pages that others write
  char name[24] = {};
};
inline constexpr int kMaxBlocks = 8;
inline constexpr std::size_t kBlockBytes = 32768;

class World {
 public:
  static World& get();

  // --- Setup. From begin on, what is allocated lies in the region; words are plain memory.
  void begin_setup();
  void add_thread(const char* name, bool producer, std::function<void()> body);
  // Makes a word, or a piece of a copy, known: its loads are steps.
  void track(const void* address, std::size_t bytes, std::string name);
  void end_setup();  // runs each thread up to its first step

  // --- For the explorer.
  [[nodiscard]] int threads() const noexcept;
  [[nodiscard]] const Thread& thread(int i) const noexcept;
  [[nodiscard]] int choices(int thread) const noexcept;  // of the next step; 0: it cannot run
  void take(int thread, int choice);                     // the step, and on to the next one
  [[nodiscard]] std::uint64_t hash() const noexcept;
  void save(std::vector<char>& out) const;
  void restore(const std::vector<char>& from);
  [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
  void clear_violation() { violation_.clear(); }
  void set_narrating(bool on) { narrating_ = on; }

  // --- For the hooks.
  [[nodiscard]] bool running() const noexcept { return current_ >= 0; }
  [[nodiscard]] int current() const noexcept { return current_; }
  [[nodiscard]] Thread& self() noexcept;
  [[nodiscard]] Memory& memory() noexcept;
  [[nodiscard]] int word_of(const void* address) const noexcept;  // -1: not tracked
  [[nodiscard]] std::size_t bytes_of(int word) const noexcept { return word_bytes_[word]; }
  [[nodiscard]] const std::string& name_of(int word) const { return names_[word]; }
  [[nodiscard]] int word_named(const std::string& name) const;
  std::uint64_t stop_before(const Step& step);  // until the explorer takes it; its result
  // False: only one thread has fences of this kind, so it does not matter when they happen.
  bool fences_meet = true;
  // True: what an ended thread has seen tells states apart, for who compares it at the very end.
  bool ends_matter = false;
  // The word used last while no thread ran: how setup learns where a private word lies.
  const void* last_touched = nullptr;
  [[noreturn]] void violate(const std::string& text);
  void narrate(const char* what, int word, std::uint64_t value, const char* function) const;
  // What the thread knows is what `hash` says; how it came to know does not matter.
  void forget_history(std::uint64_t hash) noexcept { self().history = hash; }

  // --- The region's heap and blocks.
  [[nodiscard]] static bool allocates() noexcept;
  static bool allocates(bool from_now_on) noexcept;  // what it was before
  void* allocate(std::size_t bytes, std::size_t alignment);
  [[nodiscard]] static bool owns(const void* address) noexcept;
  [[nodiscard]] char* heap_top() const noexcept;
  int add_block(const char* name);
  [[nodiscard]] Block& block(int i) noexcept;
  [[nodiscard]] int next_block() const noexcept;
  [[nodiscard]] std::byte* block_data(int i) const noexcept;
  [[nodiscard]] int block_of(const void* address) const noexcept;  // -1: in none

 private:
  World();
  void resume(int thread);
  void note_end(int thread);
  void start(int thread);
  void enter_thread(void* context);
  static void thread_main();

  std::vector<std::function<void()>> bodies_;
  std::vector<std::string> names_;
  std::array<std::size_t, kMaxWords> word_bytes_{};
  std::vector<std::int8_t> word_at_;  // by address in the region
  int current_ = -1;
  bool narrating_ = false;
  std::string violation_;
  jmp_buf explorer_;
};

// While it lives, allocations are the checker's own.
class Outside {
 public:
  Outside() : before_(World::allocates(false)) {}
  ~Outside() { World::allocates(before_); }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  bool before_;
};

}  // namespace framering::model
