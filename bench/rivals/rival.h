// SPDX-License-Identifier: Apache-2.0
//
// What a way to bring frames from one process to others has to be able to do here. One file of this
// folder for each; the processes, the clock and the checks are the same for all (company.h).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace framering::bench {

// The same for every lane.
struct Terms {
  std::uint32_t bytes = 0;    // of a frame
  std::uint32_t readers = 0;  // each in a process of its own
  std::uint32_t kept = 0;     // frames that a lane with a queue or a history may hold
  std::string dir;            // of this invocation, for sockets
  std::string name;           // of this lane in this invocation, for whatever wants a name
};

class Sender {
 public:
  virtual ~Sender() = default;
  // Lanes in place: where the next frame is to be written. Empty: nowhere, it is dropped.
  virtual std::span<std::byte> place() { return {}; }
  // `frame` is what place() gave, or the encoder's buffer, which is used again afterwards.
  virtual void publish(std::span<const std::byte> frame) = 0;
};

struct Taken {
  std::span<const std::byte> bytes;  // valid until give_back; empty: no frame came
  std::uint64_t at_ns = 0;           // when they were there; 0: when take() returned
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  // The next frame in this process's own memory; in lanes in place, where it lies.
  virtual Taken take(std::chrono::milliseconds patience) = 0;
  // False: the bytes were taken away before they were given back.
  virtual bool give_back() { return true; }
};

// Made in the process that forks the others, which has no threads and takes no part itself.
class Rival {
 public:
  virtual ~Rival() = default;
  virtual std::unique_ptr<Sender> sender() = 0;  // in the publishing process, before the readers
  virtual std::unique_ptr<Receiver> receiver(std::uint32_t number) = 0;  // in a reading one
};

enum class Kind : std::uint8_t { floor, ours, rival };

struct RivalInfo {
  std::string key;   // for files and options: "iceoryx-copy"
  std::string name;  // for tables: "iceoryx, copy"
  Kind kind = Kind::rival;
  bool in_place = false;  // nothing is copied
  bool reads = true;
  std::unique_ptr<Rival> (*make)(const Terms&) = nullptr;  // null: not in this build
  std::string package;                                     // what to install then
  std::string settings;                                    // version and how it is used
};
// Floors first, then ours.
[[nodiscard]] const std::vector<RivalInfo>& all_rivals();
[[nodiscard]] const RivalInfo& rival_of(const std::string& key);

// Where a reader would do most harm if it stopped: while it holds a lock, a buffer, half a frame.
// Receivers call it there; it stops this process once it was told to.
void at_worst_moment();
void arm_worst_moment();
// For those that copy with a lock held, inside a library: arms the page in the middle of `buffer`,
// so that the copy itself comes by.
void stop_inside(std::span<std::byte> buffer);

// One function for each file.
std::vector<RivalInfo> floor_lanes();
std::vector<RivalInfo> framering_lanes();
std::vector<RivalInfo> iceoryx_lanes();
// Of the names of our iceoryx processes, which are files, too.
std::string iceoryx_prefix(pid_t bench);
std::vector<RivalInfo> zeromq_lanes();
std::vector<RivalInfo> gstreamer_lanes();
std::vector<RivalInfo> unix_socket_lanes();
std::vector<RivalInfo> boost_queue_lanes();
std::vector<RivalInfo> pipe_lanes();
std::vector<RivalInfo> flock_slot_lanes();

}  // namespace framering::bench
