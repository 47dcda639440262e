// SPDX-License-Identifier: Apache-2.0
//
// Questions and orders to a broker, for command-line tools and exporters. Blocking, with a time
// limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "control/stream_writer.h"
#include "ring/frame.h"

namespace framering {

struct StreamInfo {  // schema/control.capnp, Stream
  std::string name;
  std::uint32_t codec = 0;
  std::uint32_t width = 0, height = 0;  // pixels; 0 = unknown
  std::uint64_t generation = 0;
  SourceState state = SourceState::starting;
  std::uint64_t state_since_ns = 0;  // CLOCK_MONOTONIC
  std::uint64_t heartbeat_ns = 0;    // CLOCK_MONOTONIC
  std::uint64_t head = 0, newest_key = 0;
  std::uint32_t readers = 0;
  std::uint32_t producer_pid = 0, producer_uid = 0;
  std::uint64_t bytes_published = 0;
  std::uint64_t arena_bytes = 0, max_frame_bytes = 0;
  std::uint32_t slot_count = 0;
  std::string program;
};

struct ReaderInfo {  // schema/control.capnp, Reader
  std::uint64_t id = 0;
  std::string name;
  std::uint32_t pid = 0, uid = 0;
  Bell bell = Bell::futex;
  bool demand = false;
  std::uint64_t read_to = 0, delivered = 0, delivered_bytes = 0;
  std::uint64_t lost_lapped = 0, lost_skipped = 0, lost_undecodable = 0, leases_revoked = 0;
  std::uint32_t leases_held = 0;
  std::uint64_t key_requests = 0;
  std::uint32_t backlog_frames = 0, backlog_bytes = 0;
  std::uint64_t attached_ns = 0;  // CLOCK_MONOTONIC
};

struct StreamStat {  // schema/control.capnp, StreamStat
  StreamInfo stream;
  std::uint64_t frames_too_large = 0, key_requests_wanted = 0, key_requests_granted = 0;
  std::uint64_t leases_stepped_over = 0, leases_revoked = 0, bells_rung = 0, bells_by_ringer = 0;
  std::uint64_t taken_ns = 0;  // CLOCK_MONOTONIC
  std::vector<ReaderInfo> readers;
};

// The broker cannot be reached (names the socket), or it refused (carries its sentence).
class OperatorError : public std::runtime_error {
 public:
  enum class Kind { unreachable, refused, timed_out };
  OperatorError(Kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  [[nodiscard]] Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

// One connection each call sequence. Not thread-safe.
class OperatorClient {
 public:
  // Connects to the operator socket, or, for questions only, to the consumer socket when that is
  // all this user may open. `socket_dir` empty: $FRAMERING_DIR, else /run/framering. Throws
  // OperatorError.
  explicit OperatorClient(const std::string& socket_dir,
                          std::chrono::milliseconds timeout = std::chrono::seconds(5));
  ~OperatorClient();
  OperatorClient(const OperatorClient&) = delete;
  OperatorClient& operator=(const OperatorClient&) = delete;

  [[nodiscard]] std::vector<StreamInfo> list();
  [[nodiscard]] StreamStat stat(const std::string& stream);
  // Changes settings (all or none) and returns what holds now; no values: only asks.
  std::vector<SettingValue> change(const std::string& stream,
                                   const std::vector<std::pair<std::string, std::string>>& values);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace framering
