// SPDX-License-Identifier: Apache-2.0
#include "control/disposer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <new>
#include <thread>

#include "ring/clock.h"
#include "ring/quiet_thread.h"

namespace framering {

namespace {

constexpr auto kIdle = std::chrono::seconds(1);  // a thread with nothing to do ends after it
constexpr auto kStillHeld = std::chrono::milliseconds(20);

struct Item {
  std::shared_ptr<void> thing;
  std::uint32_t owner = 0;
  std::uint64_t since_ns = 0;
  bool in_hand = false;  // a thread is at it
};

}  // namespace

struct Disposer::State {
  std::mutex mutex;
  std::condition_variable work;
  std::list<Item> items;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool over = false;

  // The oldest of an owner whom no thread works for.
  std::list<Item>::iterator next() {
    return std::find_if(items.begin(), items.end(), [this](const Item& item) {
      return std::none_of(items.begin(), items.end(), [&item](const Item& other) {
        return other.in_hand && other.owner == item.owner;
      });
    });
  }
};

Disposer::Disposer() : state_(std::make_shared<State>()) {}

Disposer::~Disposer() {
  const std::lock_guard lock(state_->mutex);
  state_->over = true;
  state_->work.notify_all();
}

void Disposer::dispose(std::shared_ptr<void> thing, std::uint32_t owner) noexcept {
  std::list<Item> fresh;
  try {
    fresh.push_back({std::move(thing), owner, monotonic_ns(), false});
  } catch (const std::bad_alloc&) {
    return;
  }
  const std::lock_guard lock(state_->mutex);
  state_->items.splice(state_->items.end(), fresh);
  staff(state_);
}

// With the mutex held: somebody is to take what can be taken.
void Disposer::staff(const std::shared_ptr<State>& state) noexcept {
  if (state->next() == state->items.end()) return;
  if (state->idle > 0) return state->work.notify_one();
  if (state->threads == kMaxThreads) return;
  try {
    quiet_thread([state] { run(state); }).detach();
    ++state->threads;
  } catch (const std::exception&) {
    // Out of threads or memory: it stays as it is until something else is to be disposed of.
  }
}

bool Disposer::hangs(std::uint32_t owner) const {
  const std::lock_guard lock(state_->mutex);
  if (state_->items.empty()) return false;
  const std::uint64_t now_ns = monotonic_ns();
  return std::any_of(state_->items.begin(), state_->items.end(), [&](const Item& item) {
    return item.owner == owner && now_ns > item.since_ns + kPatience_ns;
  });
}

void Disposer::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    const auto item = state->next();
    if (item == state->items.end()) {
      if (state->over) break;
      ++state->idle;
      const std::cv_status woken = state->work.wait_for(lock, kIdle);
      --state->idle;
      if (woken == std::cv_status::timeout && state->next() == state->items.end()) break;
      continue;
    }
    item->in_hand = true;
    staff(state);  // this one may hang, and two things may have come while one thread was idle
    lock.unlock();
    while (item->thing.use_count() > 1) std::this_thread::sleep_for(kStillHeld);
    item->thing.reset();
    lock.lock();
    state->items.erase(item);
  }
  --state->threads;
}

}  // namespace framering
