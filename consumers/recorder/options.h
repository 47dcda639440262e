// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "configured_line.h"
#include "muxer.h"
#include "storage.h"

namespace framering::recorder {

struct Options {
  std::string stream;
  std::string socket_dir;  // empty: $FRAMERING_DIR, else /run/framering
  Container container = Container::mp4;
  StorageOptions storage;

  double segment_s = 600;
  std::uint64_t segment_bytes = 0;  // 0: no limit
  bool segment_by_clock = false;    // at whole multiples of segment_s of the day

  double pre_s = 10, post_s = 10;
  bool by_operator = false, by_http = false, by_signal = false, by_motion = false;
  std::uint64_t motion_bytes = 0;  // of a frame that is no key frame
  std::string listen;              // "127.0.0.1:8090"; empty: no HTTP

  ConfigValues config;  // what of this a configuration file said

  [[nodiscard]] bool by_trigger() const noexcept {
    return by_operator || by_http || by_signal || by_motion;
  }
};

// Nothing: the program is to end with `exit_code`; what there was to say was said.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace framering::recorder
