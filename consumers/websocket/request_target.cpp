// SPDX-License-Identifier: Apache-2.0
#include "request_target.h"

#include <algorithm>
#include <charconv>

namespace framering::websocket {

namespace {

enum class Plus : std::uint8_t { literal, space };  // a form writes a space in a query as '+'

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    char letter = text[at];
    if (letter == '%') {
      if (text.size() - at < 3) return std::nullopt;
      unsigned value = 0;
      const char* const end = text.data() + at + 3;
      const auto [stop, error] = std::from_chars(text.data() + at + 1, end, value, 16);
      if (error != std::errc{} || stop != end || value < 0x20 || value == 0x7F) return std::nullopt;
      letter = static_cast<char>(value);
      at += 2;
    } else if (letter == '+' && plus == Plus::space) {
      letter = ' ';
    }
    decoded.push_back(letter);
  }
  return decoded;
}

}  // namespace

const std::string* RequestTarget::query(std::string_view key) const noexcept {
  const auto found = std::find_if(queries.begin(), queries.end(),
                                  [&](const auto& pair) { return pair.first == key; });
  return found == queries.end() ? nullptr : &found->second;
}

std::optional<RequestTarget> parse_request_target(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const std::size_t question = target.find('?');
  std::optional<std::string> path = decode(target.substr(0, question), Plus::literal);
  if (!path) return std::nullopt;
  RequestTarget parsed{.path = std::move(*path), .queries = {}};

  std::string_view rest =
      question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    std::optional<std::string> key = decode(pair.substr(0, equals), Plus::space);
    std::optional<std::string> value = std::string{};
    if (equals != std::string_view::npos) value = decode(pair.substr(equals + 1), Plus::space);
    if (!key || !value) return std::nullopt;
    parsed.queries.emplace_back(std::move(*key), std::move(*value));
  }
  return parsed;
}

std::optional<std::uint32_t> parse_number(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

bool same_origin(std::string_view origin, std::string_view host) noexcept {
  if (origin.empty()) return true;
  const std::size_t scheme_end = origin.find("://");
  if (scheme_end == std::string_view::npos) return false;  // "null": a sandboxed or local page
  const std::string_view authority = origin.substr(scheme_end + 3);
  return !host.empty() && std::equal(authority.begin(), authority.end(), host.begin(), host.end(),
                                     [](char a, char b) {
                                       const auto lower = [](char c) {
                                         return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32)
                                                                     : c;
                                       };
                                       return lower(a) == lower(b);
                                     });
}

}  // namespace framering::websocket
