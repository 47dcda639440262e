// SPDX-License-Identifier: Apache-2.0
//
// Lines of index.jsonl: one JSON object for each file.
#pragma once

#include <cstdint>
#include <string>

#include "summary.h"

namespace framering::recorder {

[[nodiscard]] std::string index_line(const std::string& file, const std::string& stream,
                                     const Summary& summary, std::uint64_t bytes);
// Of a file that was found without a line: a crash kept it from being written.
[[nodiscard]] std::string recovered_line(const std::string& file, const std::string& stream,
                                         std::int64_t began_ms, std::uint64_t bytes);
// The file that a line is of, and its stream. Both empty: it is no such line, or names a path.
struct Named {
  std::string file, stream;
};
[[nodiscard]] Named named_by_line(const std::string& line);
// The same; empty if it is of another stream.
[[nodiscard]] std::string file_of_line(const std::string& line, const std::string& stream);

}  // namespace framering::recorder
