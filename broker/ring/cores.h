// SPDX-License-Identifier: Apache-2.0
//
// What waiting without sleeping needs to know.
#pragma once

#include <sched.h>

namespace framering {

// Cores that this thread may run on. Spinning on the only one keeps the other side from running.
inline int usable_cores() noexcept {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  return ::sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
}

// Tells the core that this is a spin: saves power, and lets its other thread run.
inline void spin_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#elif defined(__riscv)
  asm volatile(".insn i 0x0F, 0, x0, x0, 0x010");  // pause: Zihintpause; a no-op without it
#endif
}

}  // namespace framering
