// SPDX-License-Identifier: Apache-2.0
//
// Fault points: every place where a tortured process touches a shared word, copies beside another
// process, makes a system call, or allocates. Each is known by its name, such as "writer.cpp:243
// commit store" or "send attached", counts how often it was passed, and can be told to strike at
// its n-th pass.
//
// Names, counts and the order to strike lie in a file that the controller maps as well
// (FRAMERING_TORTURE_POINTS names it; points.py is the other side). Without one, nothing happens.
//
//     0 ┌──────────────────────────────────────────────────────────────────────┐
//       │ order │ target │ countdown │ action │ argument │ repeats │ · │ fired │ used │ to 128
//   128 ├──────────────────────────────────────────────────────────────────────┤
//       │ Point × kMaxPoints: key │ passes │ name[112]                          │ 128 B each
//       └──────────────────────────────────────────────────────────────────────┘
#pragma once

#ifdef __cplusplus
namespace framering::torture {

// std::source_location, which clang 14 does not know: as a default argument, where the caller is.
struct Place {
  const char* file;
  const char* function;
  int line;
  static constexpr Place current(const char* file = __builtin_FILE(),
                                 const char* function = __builtin_FUNCTION(),
                                 int line = __builtin_LINE()) noexcept {
    return {file, function, line};
  }
};

// A step of the ring code: `operation` on a shared word, or a fence, at that line.
void pass_step(const char* operation, const Place& where) noexcept;

}  // namespace framering::torture

extern "C" {
#endif

// A system call about to be made by `caller` (an address). 0, or the errno it is to fail with.
// `detail` (a literal; may be null) tells calls of one place apart, such as by message.
int torture_pass_call(const char* call, const char* detail, const void* caller);

#ifdef __cplusplus
}
#endif
