// SPDX-License-Identifier: Apache-2.0
//
// What the publishing process and a reading process do, the same for every lane.
#pragma once

#include "board.h"
#include "rival.h"

namespace framering::bench {

// Until told to quit. An exception is written to the board.
void serve_as_publisher(Board& board, const Terms& terms, Rival& rival);
void serve_as_reader(Board& board, const Terms& terms, Rival& rival, std::uint32_t number);

}  // namespace framering::bench
