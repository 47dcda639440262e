// SPDX-License-Identifier: Apache-2.0
//
// What the broker says now, and what can only be known by having watched: lives of producers, and
// how many frames lie between two key frames.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control/operator_client.h"
#include "rates.h"

namespace framering::exporter {

struct WatchedStream {
  StreamStat stat;
  std::uint64_t generations = 0;   // seen since this program runs
  std::uint64_t key_interval = 0;  // frames; 0: not known yet
};

struct Look {
  bool up = false;
  std::string trouble;  // why not
  double seconds = 0;   // that the broker took
  std::vector<WatchedStream> streams;
};

class Watcher {
 public:
  explicit Watcher(std::string socket_dir) : socket_dir_(std::move(socket_dir)) {}

  [[nodiscard]] Look look();
  // Between two looks: only the key frames.
  void glance();

 private:
  struct Life {
    std::uint64_t generation = 0;
    std::uint64_t generations = 0;
    cli::KeyInterval keys;
  };
  Life& follow(const StreamInfo& stream);

  const std::string socket_dir_;
  std::map<std::string, Life> lives_;  // by stream; counters go on when it comes back
};

}  // namespace framering::exporter
