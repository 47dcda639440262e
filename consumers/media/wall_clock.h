// SPDX-License-Identifier: Apache-2.0
//
// Times of day, UTC, as files and people name them.
#pragma once

#include <cstdint>
#include <string>

namespace framering {

// CLOCK_REALTIME in milliseconds of the moment that was `then_ns` by CLOCK_MONOTONIC.
[[nodiscard]] std::int64_t wall_clock_ms(std::uint64_t then_ns) noexcept;
[[nodiscard]] std::string iso_time(std::int64_t wall_ms);   // "2025-03-01T12:00:00.250Z"
[[nodiscard]] std::string file_time(std::int64_t wall_ms);  // "20250301T120000.250"
// From such a text; -1: it is none.
[[nodiscard]] std::int64_t parse_file_time(const std::string& text) noexcept;

}  // namespace framering
