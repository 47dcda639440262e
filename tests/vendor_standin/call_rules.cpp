// SPDX-License-Identifier: Apache-2.0
#include "call_rules.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace kvm_standin {

void broke_rule(const char* call, const char* format, ...) {
  std::fprintf(stderr, "kvm_mmf stand-in: %s: ", call);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::abort();
}

void OneThread::bind_or_check(const char* call) {
  if (owner_.load(std::memory_order_relaxed) == 0) {
    owner_.store(gettid(), std::memory_order_relaxed);
  }
  check(call);
}

void OneThread::check(const char* call) const {
  const pid_t owner = owner_.load(std::memory_order_relaxed);
  if (owner == 0) broke_rule(call, "called before mmf_init");
  if (owner != gettid()) {
    broke_rule(call, "called from thread %d, but the library belongs to thread %d", gettid(),
               owner);
  }
}

}  // namespace kvm_standin
