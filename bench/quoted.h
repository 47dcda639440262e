// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace framering::bench {

// As JSON has it. Names here hold neither quotes nor control characters, but a processor's may.
[[nodiscard]] inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) result += c;
  }
  return result + '"';
}

}  // namespace framering::bench
