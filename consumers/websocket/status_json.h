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

// {"stream", "codec", "width", "height", "playing", "state", "text"}; `state` is a SourceState's
// name, or "no_broker", "no_stream", "refused".
[[nodiscard]] std::string state_json(const std::string& stream, const FeedState& state);

// {"streams": [{"name", "codec", "width", "height", "state", "text", "readers", "frames"}],
// "error"}
[[nodiscard]] std::string streams_json(const StreamDirectory::Answer& answer);

}  // namespace framering::websocket
