// SPDX-License-Identifier: Apache-2.0
//
// Streams as a broker lists them: found by name, and as JSON objects.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/operator_client.h"

namespace framering::cli {

// By name, so that a stream keeps its line when the broker restarts.
[[nodiscard]] std::vector<StreamInfo> list_streams(OperatorClient& client);

// Throws CommandError (no_stream) naming the streams there are.
[[nodiscard]] StreamInfo find_stream(const std::vector<StreamInfo>& streams,
                                     const std::string& name);

// Keys as in schema/control.capnp, in snake_case. Random 64-bit numbers (generation, id) are
// hexadecimal strings: many JSON readers keep only 53 bits of a number.
[[nodiscard]] nlohmann::ordered_json to_json(const StreamInfo& stream);
// The stream's keys, its counters, and `readers`: an array here.
[[nodiscard]] nlohmann::ordered_json to_json(const StreamStat& stat);

// To stdout, with text of other processes made valid UTF-8.
void print_json(const nlohmann::ordered_json& json);

}  // namespace framering::cli
