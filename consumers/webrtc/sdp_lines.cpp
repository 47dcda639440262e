// SPDX-License-Identifier: Apache-2.0
#include "sdp_lines.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "sdp.h"

namespace framering::webrtc {

namespace {

constexpr std::size_t kMaxLineBytes = 4096;

}  // namespace

std::vector<Lines> sections_of(std::string_view sdp) {
  if (sdp.size() > kMaxSdpBytes) throw SdpError("the description is longer than 64 KiB");
  std::vector<Lines> sections(1);
  while (!sdp.empty()) {
    const std::size_t end = std::min(sdp.find('\n'), sdp.size());
    std::string_view line = sdp.substr(0, end);
    sdp.remove_prefix(std::min(end + 1, sdp.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const bool printable = std::all_of(line.begin(), line.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
    if (line.size() < 2 || line[1] != '=' || line.size() > kMaxLineBytes || !printable)
      throw SdpError("no session description: a line is not of the form x=value");
    if (line[0] == 'm') sections.emplace_back();
    if (sections.size() > kMaxSections + 1) throw SdpError("more than 16 media sections");
    sections.back().push_back(line);
  }
  return sections;
}

std::optional<std::string_view> attribute(const Lines& lines, std::string_view name) {
  for (const std::string_view line : lines) {
    if (!line.starts_with("a=")) continue;
    const std::string_view rest = line.substr(2);
    if (rest == name) return "";
    if (rest.starts_with(name) && rest.size() > name.size() && rest[name.size()] == ':')
      return rest.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::optional<int> number_of(std::string_view text, int most) {
  int number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size() || number < 0 || number > most)
    return std::nullopt;
  return number;
}

std::vector<std::string_view> words_of(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace framering::webrtc
