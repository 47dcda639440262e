// SPDX-License-Identifier: Apache-2.0
//
// What a hostile neighbour does: one Attack each, run in a process of its own that is killed when
// its part of the round is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control/channel.h"
#include "control/socket_path.h"
#include "hostile_scoreboard.h"
#include "page_layout.h"
#include "ring/ring_view.h"
#include "ring/segment.h"

namespace framering::test {

inline constexpr const char* kStream = "cam/front";  // the honest one
inline constexpr const char* kLyingStream = "cam/lie";

// What an attack is given.
struct Neighbourhood {
  std::string dir;  // the broker's sockets
  HostileScore* score = nullptr;
  bool full = false;  // the long form: the numbers that the design names
};

// Who the hostile one is.
enum class Standing : std::uint8_t {
  stranger,  // another user, whom the access list does not trust; may open the consumer socket only
  trusted,   // another user, on the access list: gets an eventfd
  insider,   // the producer's own user: may open all three sockets
};

struct Attack {
  const char* name;  // as a test is named: what the neighbour does
  const char* unit;  // what HostileScore::tries counts
  Standing standing;
  void (*run)(const Neighbourhood&);          // never returns but by an exception
  bool needs_victim = false;                  // a reader of kLyingStream, which must survive
  void (*prepare)() = nullptr;                // done by root, before it becomes who it is
  std::string (*why_impossible)() = nullptr;  // on this machine; empty: it is possible
};

[[nodiscard]] std::vector<Attack> bell_attacks();
[[nodiscard]] std::vector<Attack> memory_attacks();
[[nodiscard]] std::vector<Attack> socket_attacks();
[[nodiscard]] std::vector<Attack> producer_attacks();
[[nodiscard]] std::vector<Attack> file_system_attacks();

// A peer that says whatever it wants.
class RawPeer {
 public:
  RawPeer(const std::string& dir, Role role);
  // Waits up to a second for the next message.
  [[nodiscard]] Received wait();
  void attach(const std::string& stream, int page, Bell bell);

  Channel channel;
  Inbox inbox;
};

// An attached reader with everything in its own hands: no code of the library runs between it and
// the shared memory. Throws std::runtime_error when it is not let in.
class HostileReader {
 public:
  HostileReader(const Neighbourhood& where, Bell wish);

  // Keeps asking to be woken, from a thread of its own, and hears its line: every publish rings.
  void ask_for_every_ring();
  // The same, but leaves what was rung unheard.
  void arm() noexcept;
  [[nodiscard]] bool is_served() const noexcept;

  RawPeer peer;
  OwnSegment page_segment;
  ReaderPage& page;
  Fd ring_fd, bell_fd, line, event;  // event: only if trusted and asked for
  ForeignSegment ring;
  ForeignSegment bell_segment;
  RingView view;
  const BellPage* bell = nullptr;
  Bell bell_kind = Bell::futex;

 private:
  std::thread armer_;
};

// A memfd with the bytes of `like`, as broken as `fault` says.
enum class MemoryFault : std::uint8_t { unsealed, shrinkable, sparse, shrunk };
inline constexpr std::size_t kMemoryFaults = 4;
[[nodiscard]] Fd broken_memfd(const std::byte* like, std::size_t bytes, MemoryFault fault);

// Takes as many descriptors as it may, at most `wanted`.
[[nodiscard]] std::size_t raise_descriptor_limit(std::size_t wanted);
[[noreturn]] void sleep_for_ever();
void nap_us(long microseconds) noexcept;

}  // namespace framering::test
