// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <signal.h>
#include <ucontext.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "hooks.h"

namespace framering::model {
namespace {

constexpr std::size_t kStackBytes = 65536;
constexpr std::size_t kHeapBytes = 262144;
constexpr std::size_t kFrameMargin = 1024;  // of a stopped thread's innermost function

struct State {
  int threads = 0;
  int blocks = 0;
  char* heap_top = nullptr;
  std::array<Thread, kMaxThreads> thread;
  std::array<Block, kMaxBlocks> block;
};

struct Region {
  State state;
  Memory memory;
  alignas(64) char heap[kHeapBytes];
  alignas(4096) std::byte blocks[kMaxBlocks][kBlockBytes];
  alignas(64) char stacks[kMaxThreads][kStackBytes];
};

Region whole_region;
constexpr Region* region = &whole_region;
bool allocating = false;  // a thread of the world, or its setup, runs: operator new is asked by all

// Real code that touches what it had given back: its memory is filled so that this shows.
void on_fault(int /*signal*/) {
  if (!World::get().running()) abort();
  World::get().violate("touches memory that was given back");
}

}  // namespace

World& World::get() {
  static World world;
  return world;
}

World::World() {
  word_at_.resize(sizeof(Region) / 4);
  struct sigaction action {};
  action.sa_handler = on_fault;
  action.sa_flags = SA_NODEFER;
  ::sigaction(SIGSEGV, &action, nullptr);
}

void World::begin_setup() {
  bodies_.clear();
  names_.clear();
  violation_.clear();
  fences_meet = true;
  ends_matter = false;
  std::fill(word_at_.begin(), word_at_.end(), std::int8_t{-1});
  std::memset(region->heap, 0, sizeof region->heap);
  std::memset(region->blocks, 0, sizeof region->blocks);
  region->state = State{};
  region->state.heap_top = region->heap;
  region->memory.reset();
  current_ = -1;
  allocating = true;
}

void World::add_thread(const char* name, bool producer, std::function<void()> body) {
  const Outside outside;
  bodies_.push_back(std::move(body));
  Thread& thread = region->state.thread[region->state.threads++];
  thread = Thread{};
  thread.name = name;
  thread.producer = producer;
}

void World::track(const void* address, std::size_t bytes, std::string name) {
  const Outside outside;
  const int word = region->memory.add_word(pack(address, bytes));
  const auto offset = static_cast<const char*>(address) - reinterpret_cast<const char*>(region);
  word_at_[static_cast<std::size_t>(offset) / 4] = static_cast<std::int8_t>(word);
  word_bytes_[word] = bytes;
  names_.push_back(std::move(name));
}

void World::thread_main() {
  World& world = get();
  world.bodies_[world.current_]();
  Step last;
  last.kind = Step::Kind::end;
  world.stop_before(last);
  abort();
}

__attribute__((noinline)) void World::enter_thread(void* context) {
  if (_setjmp(explorer_) == 0) ::setcontext(static_cast<ucontext_t*>(context));
}

void World::start(int index) {
  region->state.thread[index].stack_end = region->stacks[index] + kStackBytes;
  ucontext_t context;
  ::getcontext(&context);
  context.uc_stack.ss_sp = region->stacks[index];
  context.uc_stack.ss_size = kStackBytes;
  context.uc_link = nullptr;
  ::makecontext(&context, &World::thread_main, 0);
  current_ = index;
  enter_thread(&context);
  current_ = -1;
  note_end(index);
}

void World::end_setup() {
  for (int i = threads(); i < kMaxThreads; ++i) region->memory.end(i);
  for (int i = 0; i < threads(); ++i) start(i);
  allocating = false;
}

int World::threads() const noexcept {
  return region->state.threads;
}
const Thread& World::thread(int i) const noexcept {
  return region->state.thread[i];
}
Thread& World::self() noexcept {
  return region->state.thread[current_];
}
Memory& World::memory() noexcept {
  return region->memory;
}

__attribute__((noinline)) std::uint64_t World::stop_before(const Step& step) {
  Thread& thread = self();
  thread.next = step;
  thread.stack_low = static_cast<char*>(__builtin_frame_address(0)) - kFrameMargin;
  if (_setjmp(thread.context) == 0) _longjmp(explorer_, 1);
  return get().self().result;
}

__attribute__((noinline)) void World::resume(int thread) {
  current_ = thread;
  allocating = true;
  if (_setjmp(explorer_) == 0) _longjmp(region->state.thread[thread].context, 1);
  allocating = false;
  current_ = -1;
}

void World::violate(const std::string& text) {
  allocating = false;
  violation_ = std::string(self().name) + ": " + text;
  if (narrating_) std::printf("  %-9s VIOLATION %s\n", self().name, text.c_str());
  _longjmp(explorer_, 1);
}

int World::choices(int thread) const noexcept {
  const Step& step = region->state.thread[thread].next;
  switch (step.kind) {
    case Step::Kind::load:
      return region->memory.choices(step.word, step.floor);
    case Step::Kind::futex_wait:
      return step.sleep == Step::Sleep::asleep ? 0 : 1;
    case Step::Kind::await:
      return region->memory.newest_time(step.word) > region->memory.view(thread, step.word) ? 1 : 0;
    case Step::Kind::end:
      return 0;
    default:
      return 1;
  }
}

void World::take(int index, int choice) {
  Thread& thread = region->state.thread[index];
  Memory& memory = region->memory;
  Step& step = thread.next;
  current_ = index;  // for narrate
  thread.result = 0;
  switch (step.kind) {
    case Step::Kind::load:
      thread.result = memory.load(index, step.word, choice, step.acquire);
      thread.last_loaded = step.word;
      narrate(step.acquire ? "load acquire" : "load", step.word, thread.result, step.function);
      break;
    case Step::Kind::await:
      // Waiting reader of a word: it reaches the thread sooner or later, store by store.
      thread.result =
          memory.load(index, step.word,
                      memory.newest_time(step.word) - memory.view(index, step.word) - 1, false);
      break;
    case Step::Kind::fence_seq_cst:
      memory.fence_seq_cst(index);
      narrate("fence seq_cst", -1, 0, step.function);
      break;
    case Step::Kind::futex_wait:
      if (step.sleep == Step::Sleep::no) {
        // The kernel takes its lock, then looks: a full fence against FUTEX_WAKE.
        memory.fence_seq_cst(index);
        const bool sleeps = memory.newest_value(step.word) == step.value;
        (void)memory.load(index, step.word, 0, false);
        narrate(sleeps ? "sleeps, word" : "does not sleep, word", step.word,
                memory.newest_value(step.word), step.function);
        if (sleeps) {
          step.sleep = Step::Sleep::asleep;
          current_ = -1;
          return;
        }
      } else {
        narrate("wakes", step.word, 0, step.function);
      }
      break;
    case Step::Kind::futex_wake:
      memory.fence_seq_cst(index);
      narrate("FUTEX_WAKE", step.word, memory.newest_value(step.word), step.function);
      for (int i = 0; i < threads(); ++i) {
        Step& other = region->state.thread[i].next;
        if (other.kind == Step::Kind::futex_wait && other.sleep == Step::Sleep::asleep &&
            other.word == step.word) {
          other.sleep = Step::Sleep::woken;
          break;
        }
      }
      break;
    case Step::Kind::end:
      abort();
  }
  ++thread.steps;
  thread.history = mix(thread.history, thread.result);
  resume(index);
  note_end(index);
}

void World::note_end(int index) {
  Thread& thread = region->state.thread[index];
  if (thread.next.kind != Step::Kind::end) return;
  thread.ended = true;
  region->memory.end(index);
}

std::uint64_t World::hash() const noexcept {
  View floor;
  floor.at.fill(255);
  std::uint64_t hash = 0;
  for (int i = 0; i < threads(); ++i) {
    const Thread& thread = region->state.thread[i];
    if (thread.ended) {
      hash = mix(hash, ends_matter ? thread.history : 1);
      continue;
    }
    hash = mix(hash, thread.history);
    hash = mix(hash, static_cast<std::uint64_t>(thread.next.sleep));
    for (int load = 0; load < thread.delayed_loads; ++load) {
      const DelayedLoad& delayed = thread.loads[load];
      if (delayed.floor < floor.at[delayed.word]) floor.at[delayed.word] = delayed.floor;
    }
  }
  for (int i = 0; i < threads(); ++i) {
    const Thread& thread = region->state.thread[i];
    for (int load = 0; load < thread.delayed_loads; ++load) {
      const Time at = thread.loads[load].floor;
      // Not relative: a delayed load is short-lived, so little is gained by it.
      hash = mix(hash, thread.loads[load].word * 256U + at);
    }
  }
  return mix(hash, region->memory.hash(floor));
}

void World::save(std::vector<char>& out) const {
  out.clear();
  const auto append = [&out](const void* from, std::size_t bytes) {
    const auto* begin = static_cast<const char*>(from);
    out.insert(out.end(), begin, begin + bytes);
  };
  append(&region->state, sizeof(State));
  append(&region->memory, region->memory.used_bytes());
  append(region->heap, static_cast<std::size_t>(region->state.heap_top - region->heap));
  for (int i = 0; i < threads(); ++i) {
    const Thread& thread = region->state.thread[i];
    if (!thread.ended)
      append(thread.stack_low, static_cast<std::size_t>(thread.stack_end - thread.stack_low));
  }
}

void World::restore(const std::vector<char>& saved) {
  const char* from = saved.data();
  const auto take = [&from](void* to, std::size_t bytes) {
    std::memcpy(to, from, bytes);
    from += bytes;
  };
  take(&region->state, sizeof(State));
  Memory* const memory = &region->memory;
  std::memcpy(static_cast<void*>(memory), from, Memory::kFixedBytes);
  take(memory, memory->used_bytes());
  take(region->heap, static_cast<std::size_t>(region->state.heap_top - region->heap));
  for (int i = 0; i < threads(); ++i) {
    const Thread& thread = region->state.thread[i];
    if (!thread.ended)
      take(thread.stack_low, static_cast<std::size_t>(thread.stack_end - thread.stack_low));
  }
}

int World::word_of(const void* address) const noexcept {
  const auto offset = static_cast<const char*>(address) - reinterpret_cast<const char*>(region);
  if (offset < 0 || offset >= static_cast<std::ptrdiff_t>(sizeof(Region))) return -1;
  return word_at_[static_cast<std::size_t>(offset) / 4];
}

int World::word_named(const std::string& name) const {
  int word = 0;
  while (names_.at(static_cast<std::size_t>(word)) != name) ++word;
  return word;
}

void World::narrate(const char* what, int word, std::uint64_t value, const char* function) const {
  if (!narrating_ || current_ < 0) return;
  std::printf("  %-9s %-15s %-18s", region->state.thread[current_].name, function, what);
  if (word >= 0)
    std::printf(" %s = %llu", names_[word].c_str(), static_cast<unsigned long long>(value));
  std::printf("\n");
}

void* World::allocate(std::size_t bytes, std::size_t alignment) {
  const auto at = reinterpret_cast<std::uintptr_t>(region->state.heap_top);
  char* const begin = region->state.heap_top + ((at + alignment - 1) / alignment * alignment - at);
  if (begin + bytes > region->heap + kHeapBytes) abort();
  region->state.heap_top = begin + bytes;
  return begin;
}

bool World::allocates(bool from_now_on) noexcept {
  return std::exchange(allocating, from_now_on);
}

bool World::allocates() noexcept {
  return allocating;
}

bool World::owns(const void* address) noexcept {
  const auto* const at = static_cast<const char*>(address);
  return at >= region->heap && at < region->heap + kHeapBytes;
}

char* World::heap_top() const noexcept {
  return region->state.heap_top;
}
int World::next_block() const noexcept {
  return region->state.blocks;
}
Block& World::block(int i) noexcept {
  return region->state.block[i];
}
std::byte* World::block_data(int i) const noexcept {
  return region->blocks[i];
}

int World::add_block(const char* name) {
  if (region->state.blocks == kMaxBlocks) abort();
  Block& block = region->state.block[region->state.blocks];
  block = Block{};
  std::strncpy(block.name, name, sizeof block.name - 1);
  return region->state.blocks++;
}

int World::block_of(const void* address) const noexcept {
  const auto offset = static_cast<const std::byte*>(address) - &region->blocks[0][0];
  if (offset < 0 || offset >= static_cast<std::ptrdiff_t>(sizeof region->blocks)) return -1;
  return static_cast<int>(static_cast<std::size_t>(offset) / kBlockBytes);
}

}  // namespace framering::model
