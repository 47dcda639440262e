// SPDX-License-Identifier: Apache-2.0
//
// Words for people, the same in every tool, log and JSON object.
#pragma once

#include <cstdint>
#include <string>

#include "page_layout.h"
#include "ring_layout.h"

namespace framering {

[[nodiscard]] const char* to_string(SourceState state) noexcept;  // "no_signal"; "unknown"
[[nodiscard]] const char* to_string(Bell bell) noexcept;          // "futex", "eventfd", "line"
// "h264", "h265", "mjpeg", "pattern", else the four characters of a DRM fourcc ("YU12").
[[nodiscard]] std::string codec_name(std::uint32_t codec);

}  // namespace framering
