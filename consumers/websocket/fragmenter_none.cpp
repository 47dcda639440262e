// SPDX-License-Identifier: Apache-2.0
//
// Without libavformat: there are no fragments.
#include "fragmenter.h"

namespace framering::websocket {

class Fragmenter::Muxer {};

Fragmenter::Fragmenter() = default;
Fragmenter::~Fragmenter() = default;

SharedFrame Fragmenter::fragment(const EncodedFrame&) {
  return nullptr;
}

}  // namespace framering::websocket
