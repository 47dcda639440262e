// SPDX-License-Identifier: Apache-2.0
//
// Produces one stream: owns its ring, announces it to the broker, serves its readers.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ring/frame.h"

namespace framering {

// A setting that operators may change at run time.
struct SettingValue {
  std::string key;    // "bitrate-kbps"
  std::string value;  // what holds now
  std::string range;  // for people: "500..10000"
  std::string unit;   // "kbit/s"
};

// Called on the writer's control thread, never on the publishing thread.
class SettingsHandler {
 public:
  virtual ~SettingsHandler() = default;
  [[nodiscard]] virtual std::vector<SettingValue> settings() = 0;
  // Takes all of the values or none. Empty: taken. Else a sentence naming the key, the value and
  // the range.
  [[nodiscard]] virtual std::string change(
      std::span<const std::pair<std::string, std::string>> values) = 0;
};

struct WriterOptions {
  std::string stream;
  std::string socket_dir;             // empty: $FRAMERING_DIR, else /run/framering
  std::string program = "framering";  // for people
  std::uint32_t codec = kCodecPattern;
  bool inter_coded = false;         // frames depend on earlier ones (H.264, H.265)
  std::uint32_t time_base_num = 1;  // seconds a tick = num / den
  std::uint32_t time_base_den = 1'000'000;
  std::uint32_t max_width = 0;  // pixels
  std::uint32_t max_height = 0;
  std::uint64_t history_bytes = 4u << 20;  // arena; at least 4 times max_frame_bytes
  std::uint64_t max_frame_bytes = 0;       // 0: history_bytes / 4
  std::uint32_t slot_count = 256;          // power of two
  std::uint32_t lease_cells = 8;           // for each reader
  std::uint32_t max_readers = 64;
  SettingsHandler* settings = nullptr;  // must outlive the writer; null: refuses every change
};

// What all readers together want.
struct Demand {
  std::uint32_t readers = 0;
  std::uint32_t wanting = 0;       // readers whose demand is set
  std::uint64_t key_requests = 0;  // ever, all readers, those gone included; only grows
  std::uint32_t worst_backlog_frames = 0;
  std::uint32_t worst_backlog_bytes = 0;
  std::uint32_t lowest_kbps = 0;  // 0: nobody has an opinion
};

// One thread publishes (reserve, commit, publish, set_*): always the same one, or handed over with
// synchronisation. Those functions never wait for a reader or the broker. A control thread of its
// own talks to the broker; frames flow whether or not one runs.
class StreamWriter {
 public:
  // Makes and seals the ring, begins to announce it. Throws std::system_error (memory, descriptors)
  // or std::invalid_argument (name, sizes; the text names the option).
  explicit StreamWriter(const WriterOptions& options);
  // Publishes SourceState::ended, lets go of every reader.
  ~StreamWriter();
  StreamWriter(const StreamWriter&) = delete;
  StreamWriter& operator=(const StreamWriter&) = delete;

  // A span of exactly `bytes` inside the ring to write the next frame into; empty when over
  // max_frame_bytes (counted). A second reserve without a commit replaces the first.
  [[nodiscard]] std::span<std::byte> reserve(std::size_t bytes) noexcept;
  // Copies `bytes` to offset `at` of the reserved span. Pieces given in order, from offset 0 on and
  // without gaps, let readers that wait copy a large frame while it is still being written: what was
  // filled must stay as it is.
  void fill(std::size_t at, std::span<const std::byte> bytes) noexcept;
  // Publishes the first `bytes` of the reserved span and wakes who sleeps. Returns the frame's
  // number.
  std::uint64_t commit(std::size_t bytes, const FrameMeta& meta) noexcept;
  // reserve, one copy, commit. 0: over max_frame_bytes, counted and skipped.
  std::uint64_t publish(std::span<const std::byte> bytes, const FrameMeta& meta) noexcept;

  // Announces SPS, PPS (VPS) in Annex-B form; returns the set's number for
  // FrameMeta::parameter_set, the same one for the same bytes. 0: over kMaxParameterSetBytes.
  std::uint64_t set_parameter_sets(std::span<const std::byte> annex_b) noexcept;
  void set_state(SourceState state) noexcept;  // wakes readers when it changed
  void heartbeat() noexcept;                   // while live without frames, at least once a second
  void count_key_request_granted() noexcept;

  // Any thread, for a watchdog while the publishing thread is stuck outside of this class: sleepers
  // see it within a second; the next set_state takes over again.
  void overrule_state(SourceState state) noexcept;

  // Any thread.
  [[nodiscard]] Demand demand() const noexcept;
  // Sleeps until some reader's demand or key requests may have changed, or the time is over. Any
  // thread.
  bool wait_for_nudge(std::chrono::nanoseconds timeout);
  // Readable when wait_for_nudge would return at once; for producers that poll several streams.
  [[nodiscard]] int nudge_fd() const noexcept;
  [[nodiscard]] std::uint64_t generation() const noexcept;
  [[nodiscard]] std::uint64_t head() const noexcept;
  [[nodiscard]] bool announced() const noexcept;  // a broker has taken the name
  // Why the broker refuses the stream (name taken, not allowed); empty: it does not. Retried
  // meanwhile.
  [[nodiscard]] std::string refusal() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace framering
