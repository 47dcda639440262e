// SPDX-License-Identifier: Apache-2.0
//
// The recorders that run beside a broker: each answers on a socket in the broker's folder.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace framering::cli {

struct Recorder {
  std::string socket;
  nlohmann::ordered_json status;  // an object, see consumers/recorder/README.md
};

// Those of one stream that answer and may be asked by this user.
[[nodiscard]] std::vector<Recorder> find_recorders(const std::string& socket_dir,
                                                   const std::string& stream);

struct RecorderReply {
  int code = 0;  // of HTTP; 0: it did not answer
  std::string text;
};
// `request`: "POST /trigger".
[[nodiscard]] RecorderReply ask_recorder(const std::string& socket, const std::string& request);

}  // namespace framering::cli
