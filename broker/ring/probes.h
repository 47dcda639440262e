// SPDX-License-Identifier: Apache-2.0
//
// Places for perf, bpftrace and SystemTap to look at (USDT). Each is one nop and a note in the
// library until somebody puts a breakpoint there:
//
//     bpftrace -e 'usdt:/usr/lib/*/libframering.so.0:framering:publish { @bytes = hist(arg1); }'
//
//   publish      frame, bytes, flags        a frame is there for readers
//   bell         pid of the reader, kind    it is rung (kinds: page_layout.h)
//   wake         frame it waits for         a reader that slept on its futex is awake
//   lapped       frame, where it goes on    a reader came too late for that frame
//   revoked      frame                      the writer takes a lease back
//   key_request  requests so far            a reader asks for a key frame
#pragma once

#if !defined(FRAMERING_NO_USDT) && __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define FRAMERING_PROBE1(name, a) DTRACE_PROBE1(framering, name, a)
#define FRAMERING_PROBE2(name, a, b) DTRACE_PROBE2(framering, name, a, b)
#define FRAMERING_PROBE3(name, a, b, c) DTRACE_PROBE3(framering, name, a, b, c)
#else
#define FRAMERING_PROBE1(name, a) static_cast<void>(a)
#define FRAMERING_PROBE2(name, a, b) (static_cast<void>(a), static_cast<void>(b))
#define FRAMERING_PROBE3(name, a, b, c) \
  (static_cast<void>(a), static_cast<void>(b), static_cast<void>(c))
#endif
