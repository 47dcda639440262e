// SPDX-License-Identifier: Apache-2.0
//
// What a recorder tells of itself: to `framering stat`, as metrics, and on its log.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace framering::recorder {

struct StatusValues {
  std::string stream, output, mode;
  bool recording = false;         // a file is open
  std::string file;               // that file
  std::string complaint;          // why nothing can be written just now; empty: it can
  std::uint64_t frames = 0;       // given to files
  std::uint64_t bytes = 0;        // written
  std::uint64_t gaps = 0;         // times that frames were lost,
  std::uint64_t frames_lost = 0;  // and how many
  std::uint64_t files = 0;        // completed
  std::uint64_t files_deleted = 0;
  std::uint64_t files_kept = 0, bytes_kept = 0;  // in the folder, of this stream
  std::uint64_t disk_errors = 0;
  std::uint64_t waiting_bytes = 0;  // for the disk
  std::uint64_t triggers = 0;
  double slowest_write_s = 0;
};

// Any thread.
class Status {
 public:
  explicit Status(StatusValues values) : values_(std::move(values)) {}

  template <typename Change>
  void change(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(values_);
  }
  [[nodiscard]] StatusValues values() const {
    const std::lock_guard lock(mutex_);
    return values_;
  }

 private:
  mutable std::mutex mutex_;
  StatusValues values_;
};

[[nodiscard]] std::string to_json(const StatusValues& values);
[[nodiscard]] std::string to_metrics(const StatusValues& values);  // Prometheus text format 0.0.4

}  // namespace framering::recorder
