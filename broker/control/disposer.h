// SPDX-License-Identifier: Apache-2.0
//
// Closes what neighbours handed over, on threads that may hang.
//
// close(2) of a file on a neighbour's FUSE mount waits until the neighbour answers FLUSH, and not
// even SIGKILL ends that. The last reference to one with unwritten pages waits as well, wherever it
// is dropped: in a message that is received without room for its descriptors, or in the queue of
// a socket that is closed. So none of this is done by a thread that serves others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "ring/fd.h"

namespace framering {

class Disposer {
 public:
  // One for each owner at most, so that one neighbour cannot hold them all.
  static constexpr std::size_t kMaxThreads = 32;
  // From then on, what is not closed yet is said to hang.
  static constexpr std::uint64_t kPatience_ns = 200'000'000;

  Disposer();
  ~Disposer();  // does not wait for what hangs: its thread ends when the kernel lets it
  Disposer(const Disposer&) = delete;
  Disposer& operator=(const Disposer&) = delete;

  // Destroys `thing` on another thread, once nobody else holds it. `owner`: the user whose fault it
  // is if that hangs. Out of memory it is destroyed here: that may hang, but nothing is lost.
  void dispose(std::shared_ptr<void> thing, std::uint32_t owner) noexcept;
  template <typename Thing>
  void take(Thing thing, std::uint32_t owner) noexcept {
    try {
      dispose(std::make_shared<Thing>(std::move(thing)), owner);
    } catch (const std::bad_alloc&) {  // nothing has been moved yet
    }
  }
  void close(Fd descriptor, std::uint32_t owner) noexcept {
    if (descriptor) take(std::move(descriptor), owner);
  }

  // Something of this owner hangs.
  [[nodiscard]] bool hangs(std::uint32_t owner) const;

 private:
  struct State;  // shared with the threads, which may outlive the disposer
  static void staff(const std::shared_ptr<State>& state) noexcept;
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace framering
