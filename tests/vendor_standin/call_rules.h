// SPDX-License-Identifier: Apache-2.0
//
// The vendor's library does not check how it is used; it wedges, corrupts or leaks. The stand-in
// checks, and ends the process with a sentence.
#pragma once

#include <sys/types.h>

#include <atomic>

namespace kvm_standin {

// Prints "kvm_mmf stand-in: CALL: ..." on stderr and aborts.
[[noreturn, gnu::format(printf, 2, 3)]] void broke_rule(const char* call, const char* format, ...);

// The vendor has no locks: everything happens on the thread that called mmf_init first.
class OneThread {
 public:
  void bind_or_check(const char* call);  // mmf_init
  void check(const char* call) const;    // every other call
  void unbind() { owner_.store(0, std::memory_order_relaxed); }

 private:
  // Relaxed: it only detects misuse, it orders nothing.
  std::atomic<pid_t> owner_{0};
};

}  // namespace kvm_standin
