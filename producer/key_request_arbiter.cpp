// SPDX-License-Identifier: Apache-2.0
#include "key_request_arbiter.h"

namespace framering {

bool KeyRequestArbiter::grant(std::uint64_t now_ns) noexcept {
  if (!wanted_) return false;
  if (granted_before_ && now_ns - granted_ns_ < kSpacing_ns) return false;
  // Stays wanted until a key frame comes: should the encoder overlook the request, it is repeated.
  granted_before_ = true;
  granted_ns_ = now_ns;
  return true;
}

}  // namespace framering
