// SPDX-License-Identifier: Apache-2.0
//
// A session description as lines: what both reading and writing one need.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace framering::webrtc {

using Lines = std::vector<std::string_view>;  // of one section; the first of media begins with m=

// First the session's lines, then those of each media section. Throws SdpError: too long, too many,
// or not lines of the form x=value.
[[nodiscard]] std::vector<Lines> sections_of(std::string_view sdp);
// The value of the first a=NAME:VALUE; "" for a=NAME.
[[nodiscard]] std::optional<std::string_view> attribute(const Lines& lines, std::string_view name);
// A whole number from 0 to `most`.
[[nodiscard]] std::optional<int> number_of(std::string_view text, int most);
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view text, char separator = ' ');
[[nodiscard]] std::string lower(std::string_view text);

}  // namespace framering::webrtc
