// SPDX-License-Identifier: Apache-2.0
//
// Large frames are copied by both sides at once: a reader that waits follows the writer's copy,
// some pieces behind, and has the frame when the writer is done instead of beginning only then.
//
//     writer, writer.cpp                         reader, reader.cpp
//  W1..W3, as for every frame
//  T1 position, bytes          relaxed        t1 arriving = the frame I want?          acquire
//     arriving = n             release           its position and bytes                relaxed
//     ring who sleeps for n and copies        t3 arrived                               acquire
//  T2 a piece of the bytes (W4)               t2 copy what is new of it; again from t3
//  T3 arrived                  release           until head >= n
//  W5..W8, as for every frame                 R1, R2; the record's position is the one of t1?
//                                                copy what is missing, C, R5
//
// T3 with t3: the bytes below `arrived` are there. Without it a piece is copied before it came.
// T1 with t1: the position is that of frame n, or of a later one. What was copied from elsewhere
//     is thrown away, since the published record names another position; within one ring a position
//     is used for one frame only, also where a reserved frame is given up (RingWriter::reserve).
// No wake-up hangs on any of this: who sleeps on is rung when the frame is there (W8).
#pragma once

#include <cstddef>
#include <cstdint>

namespace framering {

#ifndef FRAMERING_MODEL_WORD
// From here on a copy takes longer than waking the reader that is to follow it.
inline constexpr std::size_t kTrailBytes = std::size_t{512} << 10;
// What the writer tells of at once: few enough to end soon after it, enough to cost it nothing.
inline constexpr std::size_t kTrailPieceBytes = std::size_t{128} << 10;
// So often nothing new in a row, some 50 us: the writer was interrupted, better sleep.
inline constexpr int kTrailLooks = 1000;
// So many early bells in a row for nothing, and the next ones are left out for so many frames.
inline constexpr std::uint32_t kLateBells = 4;
inline constexpr std::uint32_t kEarlyPause = 1000;
#else
inline std::size_t kTrailBytes = SIZE_MAX;  // off, until a world sets it
inline constexpr std::size_t kTrailPieceBytes = 512;
inline constexpr int kTrailLooks = 1;
inline constexpr std::uint32_t kLateBells = 2;
inline constexpr std::uint32_t kEarlyPause = 1;
#endif

}  // namespace framering
