// SPDX-License-Identifier: Apache-2.0
//
// What is compared: the ring in its several uses, and the bare system calls and copies that are its
// floor. All lanes of a scenario run in the same processes, one after the other, round by round.
#pragma once

#include <array>
#include <cstdint>

namespace framering::bench {

enum class Lane : std::uint32_t {
  copy_only,        // memcpy into the same footprint; nobody reads
  nobody_asleep,    // the ring, readers attached, none waiting
  raw_futex,        // memcpy, one futex wake for each reader, memcpy: the floor of latency
  raw_futex_again,  // the same once more: how far two equal things are apart here
  raw_eventfd,      // the same with one eventfd write and read for each reader
  futex_copy,
  futex_lease,
  in_place_lease,  // written in place, read in place
  small_lease,     // the same with 64 bytes
  eventfd_copy,
  line_copy,
  predictive_copy,
  stopped_reader,  // futex_copy beside one more reader that is stopped while asleep
};

struct LaneFacts {
  Lane lane;
  const char* name;
  bool reads;       // its readers take part
  Lane floor;       // what its publish is held against
  Lane wake_floor;  // and its latency
};

inline constexpr std::array<LaneFacts, 13> kLanes{{
    {Lane::copy_only, "raw copy, no reader", false, Lane::copy_only, Lane::raw_futex},
    {Lane::nobody_asleep, "ring, nobody asleep", false, Lane::copy_only, Lane::raw_futex},
    {Lane::raw_futex, "raw copy + futex", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::raw_futex_again, "  again (A/A)", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::raw_eventfd, "raw copy + eventfd", true, Lane::raw_eventfd, Lane::raw_eventfd},
    {Lane::futex_copy, "ring futex, copy", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::futex_lease, "ring futex, lease", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::in_place_lease, "ring in place, lease", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::small_lease, "  with 64 bytes", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::eventfd_copy, "ring eventfd, copy", true, Lane::raw_eventfd, Lane::raw_eventfd},
    {Lane::line_copy, "ring line, copy", true, Lane::raw_eventfd, Lane::raw_eventfd},
    {Lane::predictive_copy, "ring predictive, copy", true, Lane::raw_futex, Lane::raw_futex},
    {Lane::stopped_reader, "ring futex + stopped", true, Lane::futex_copy, Lane::futex_copy},
}};
inline constexpr std::size_t kLaneCount = kLanes.size();

[[nodiscard]] constexpr std::size_t index_of(Lane lane) {
  return static_cast<std::size_t>(lane);
}

struct Scenario {
  std::uint32_t bytes = 0;  // a frame
  std::uint32_t fps = 0;
  std::uint32_t readers = 0;
  std::uint32_t frames = 0;  // of each lane in each round, kWarmUp of which are not counted
};

}  // namespace framering::bench
