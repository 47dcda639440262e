// SPDX-License-Identifier: Apache-2.0
//
// The viewer page: the files of page/, put into the program by page/embed.py.
#pragma once

#include <string_view>

namespace framering::websocket {

struct PageFile {
  std::string_view path;  // "/viewer.js"; the page itself is "/"
  std::string_view content_type;
  std::string_view bytes;
};

// Null: no such file.
[[nodiscard]] const PageFile* find_page_file(std::string_view path) noexcept;

}  // namespace framering::websocket
