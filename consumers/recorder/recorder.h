// SPDX-License-Identifier: Apache-2.0
//
//   ring ──read──► Segment (libavformat) ──► Storage (a thread) ──► file
//
// The recorder reads no further while the storage has no room: the frames wait in the ring, whose
// history is all the buffer there is. What the history does not cover is a gap.
//
// It is the same with a trigger. Until there is one, frames pass by and only the places of key
// frames are noted; then the recorder goes back to one of them and reads from there.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "control/stream_reader.h"
#include "history_gauge.h"
#include "options.h"
#include "ring/fd.h"
#include "segment.h"
#include "status.h"
#include "storage.h"
#include "trigger_window.h"

namespace framering::recorder {

// The command line asks for what this stream cannot give.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Recorder {
 public:
  // `signals`: a signalfd for SIGINT, SIGTERM, SIGUSR1 and, with when_hung_up, SIGHUP.
  Recorder(const Options& options, int signals, Status& status);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // SIGHUP: what is to be kept from now on; nothing: as before.
  void when_hung_up(std::function<std::optional<Retention>()> reload) {
    reload_ = std::move(reload);
  }
  // Until SIGINT or SIGTERM. False: not everything could be written. Throws Refused, and
  // std::runtime_error when the broker refuses the stream for good.
  [[nodiscard]] bool run();
  // Any thread. False: it records all the time, there is nothing to trigger.
  bool trigger() noexcept;

 private:
  [[nodiscard]] bool finish();
  void wait();
  void take_signals();
  void take_triggers();
  void read_on();
  // While nothing is to be recorded: what there is to know for when it will be.
  void watch(const Frame& frame);
  void record(const Frame& frame);
  void put(const Frame& frame, std::uint64_t captured_ns, std::uint64_t now_ns);
  void note(const Frame& frame, std::uint64_t captured_ns);
  void enter_generation(const Frame& frame);
  void check_history();
  void begin_clip();
  void end_clip();
  [[nodiscard]] Format format_of(const Frame& frame) const;
  [[nodiscard]] bool segment_is_over(std::uint64_t captured_ns) const;
  void end_segment(bool whole);
  void count_gap(std::uint64_t frames);
  [[nodiscard]] bool is_stale(std::uint64_t captured_ns) const noexcept;
  void tell(const std::string& trouble);
  void follow_time();
  void go_back_for_abandoned_file();

  const Options& options_;
  const int signals_;
  Status& status_;
  const std::uint64_t started_ns_;
  std::function<std::optional<Retention>()> reload_;
  Fd triggered_;  // eventfd
  std::atomic<std::uint64_t> trigger_ns_{0};
  Storage storage_;
  StreamReader reader_;
  TriggerWindow window_;
  HistoryGauge gauge_;
  std::unique_ptr<Segment> segment_;
  std::uint64_t generation_ = 0;   // of the newest frame
  std::uint64_t last_number_ = 0;  // newest frame that was recorded, or lost; 0: none of this clip
  std::uint64_t gap_ = 0;          // frames lost since the last one that was recorded
  std::string told_;               // the last trouble with what is recorded
  bool recording_ = false;         // or waiting for a trigger
  bool need_key_ = true;           // nothing can be recorded before the next key frame
  bool key_asked_ = false;         // to end the segment at
  bool history_checked_ = false;
  bool drained_ = false;  // everything published was read
  bool stop_ = false;
};

}  // namespace framering::recorder
