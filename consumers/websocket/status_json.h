// SPDX-License-Identifier: Apache-2.0
//
// What the page and scripts are told about streams, as JSON.
#pragma once

#include <string>
#include <string_view>

#include "stream_directory.h"
#include "stream_feed.h"

namespace framering::websocket {

// For people, in a few words: "no HDMI signal". Of a stream that plays: "live".
[[nodiscard]] std::string_view state_words(Link link, SourceState source) noexcept;

// {"type": "state", "stream", "codec", "width", "height", "playing", "state", "text"}; `state` is a
// SourceState's name, or "no_broker", "no_stream", "refused".
[[nodiscard]] std::string state_json(const std::string& stream, const FeedState& state);

// {"streams": [{"name", "codec", "width", "height", "state", "text", "readers", "frames"}],
// "error"}
[[nodiscard]] std::string streams_json(const StreamDirectory::Answer& answer,
                                       std::string_view whep);

// What /api/stream/mp4 says before an initialisation segment (README.md), and what every session
// says of time. Times in ns of CLOCK_MONOTONIC come out in us.
[[nodiscard]] std::string init_json(const InitSegment& init);
[[nodiscard]] std::string timing_json(const EncodedFrame& frame, std::uint64_t sent_ns,
                                      std::uint64_t dropped);
[[nodiscard]] std::string clock_json(std::uint64_t echo, std::uint64_t now_ns);

}  // namespace framering::websocket
