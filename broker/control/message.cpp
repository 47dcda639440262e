// SPDX-License-Identifier: Apache-2.0
#include "control/message.h"

namespace framering {

namespace {

bool name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

bool valid_stream_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  std::size_t start = 0;
  for (std::size_t at = 0; at <= name.size(); ++at) {
    if (at < name.size() && name[at] != '/') {
      if (!name_character(name[at])) return false;
      continue;
    }
    const std::string_view part = name.substr(start, at - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = at + 1;
  }
  return true;
}

std::string take_text(capnp::Text::Reader text, std::size_t limit) {
  if (text.size() > limit) {
    throw BadMessage("a text of " + std::to_string(text.size()) + " bytes; the limit is " +
                     std::to_string(limit));
  }
  std::string copy(text.begin(), text.size());
  for (char& c : copy) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return copy;
}

std::string take_stream_name(capnp::Text::Reader text) {
  std::string name = take_text(text, kMaxTextBytes);
  if (!valid_stream_name(name)) {
    throw BadMessage("\"" + name + "\" is no stream name: " + kStreamNameRule);
  }
  return name;
}

void fill_refused(Draft& draft, Reason reason, std::string_view text) {
  auto refused = draft->initRefused();
  refused.setReason(reason);
  refused.setText(as_text(std::string(clip(text, kMaxTextBytes))));
}

std::string_view clip(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return text;
  // Not in the middle of a UTF-8 character: back over its continuation bytes.
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

}  // namespace framering
