// SPDX-License-Identifier: Apache-2.0
//
// A ring of four frames and its readers, made of the real classes, as the worlds need them.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "ring/reader.h"
#include "ring/writer.h"
#include "world.h"

namespace framering::model {

inline constexpr std::size_t kFrameBytes = 1024;  // a quarter of the smallest arena
inline constexpr std::size_t kPieceBytes = 512;   // a frame is copied in two pieces

struct StageOptions {
  std::uint32_t slots = 2;
  std::uint32_t cells = 1;
  int readers = 1;          // attached from the beginning
  int later_readers = 0;    // with a page, but not attached
  int still_readers = 0;    // attached, hold what they hold: no thread, nothing known to the model
  bool control = false;     // a control thread changes the table of readers
  int frames = 0;           // published before the beginning
  bool sleeps = false;      // readers do
  bool sizes_vary = false;  // frames 4 to 6 are half as large
  bool trails = false;      // readers copy while the writer still copies
  Policy policy = Policy::every;
  Start start = Start::oldest;
};

class Stage {
 public:
  explicit Stage(const StageOptions& options);

  struct Seat {
    std::unique_ptr<OwnSegment> segment;
    std::unique_ptr<RingReader> reader;
    ReaderPage* page = nullptr;
    BellPage* bell = nullptr;
    std::array<std::byte, kFrameBytes> buffer{};
    Frame held[2];  // leases taken before the beginning
  };

  // --- What a thread of the producer does.
  void publish(std::uint64_t number);  // in a bounded number of steps
  // From here on, what it knows is what its objects say. Not where readers come later.
  void forget_writer(std::uint64_t where);
  // --- What a reader does.
  // One attempt to get a frame by copy. Returns its number, 0: none.
  std::uint64_t copy(int seat);
  // One attempt by lease: takes it, looks at the bytes twice, lets go. 0: none, or revoked.
  std::uint64_t lease(int seat);
  void finish_lease(int seat, const Frame& frame);  // looks at it, lets go
  void sleep(int seat);                             // arms, and sleeps if there is nothing
  void forget_reader(int seat, std::uint64_t where);
  // --- What the control thread does.
  void add_later(int seat);
  void remove(int seat);

  void track();  // makes all its words known to the model, as they stand

  // And these: the hints of a policy, the stream's state, the parameter sets.
  void track_newest_key();
  void track_state();
  void track_parameter_sets();

  [[nodiscard]] RingWriter& writer() { return *writer_; }
  [[nodiscard]] Seat& seat(int i) { return *seats_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] std::uint32_t most_steps() const;  // of one publish

 private:
  void make_seat(int i);
  [[nodiscard]] int attached() const { return options_.readers + options_.still_readers; }
  void track_ring();
  void track_pages(int seat);
  [[nodiscard]] std::size_t bytes_of(std::uint64_t number) const;
  void check(const Frame& frame, std::span<const std::byte> bytes) const;

  StageOptions options_;
  std::unique_ptr<RingWriter> writer_;
  std::vector<std::unique_ptr<Seat>> seats_;
  RingView view_;
  const char* writer_begin_ = nullptr;  // its part of the heap
  const char* writer_end_ = nullptr;
};

// Eight bytes of it, over and over.
[[nodiscard]] std::span<const std::byte> content_of(std::uint64_t number);

}  // namespace framering::model
