// SPDX-License-Identifier: Apache-2.0
//
// vectors.txt, the golden bytes that all implementations are held against; consumers/go reads the
// same file.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#ifndef FRAMERING_VECTORS
#define FRAMERING_VECTORS "vectors.txt"  // the build says where it is
#endif

namespace framering::test {

// A line of the file: its words.
using Line = std::vector<std::string>;
using Values = std::map<std::string, std::string>;

inline const std::vector<Line>& vectors() {
  static const std::vector<Line> all = [] {
    std::ifstream file(FRAMERING_VECTORS);
    std::vector<Line> lines;
    for (std::string text; std::getline(file, text);) {
      std::istringstream words(text);
      Line line;
      for (std::string word; words >> word;) line.push_back(word);
      if (!line.empty() && line[0][0] != '#') lines.push_back(line);
    }
    return lines;
  }();
  EXPECT_FALSE(all.empty()) << FRAMERING_VECTORS;
  return all;
}

inline std::vector<std::byte> unhex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

// The second word of the only line of this kind.
inline std::string the_one(const std::string& kind) {
  std::string found;
  for (const Line& line : vectors()) {
    if (line[0] == kind) found = line.at(1);
  }
  EXPECT_FALSE(found.empty()) << kind;
  return found;
}

// Zero bytes on whole pages, with a vector's bytes put over them.
class GoldenMemory {
 public:
  explicit GoldenMemory(std::size_t length)
      : length_(length), pages_(std::make_unique<Page[]>((length + kPage - 1) / kPage)) {}

  [[nodiscard]] std::byte* data() const { return pages_[0].data(); }
  [[nodiscard]] std::size_t length() const { return length_; }
  void put(const std::string& offset, const std::string& hex) {
    const std::vector<std::byte> bytes = unhex(hex);
    const std::size_t at = std::stoul(offset);
    ASSERT_LE(at + bytes.size(), length_);
    std::memcpy(data() + at, bytes.data(), bytes.size());
  }
  // All lines "KIND OFFSET HEX".
  void put_lines(const std::string& kind) {
    for (const Line& line : vectors()) {
      if (line[0] == kind) put(line.at(1), line.at(2));
    }
  }

 private:
  static constexpr std::size_t kPage = 4096;
  struct alignas(kPage) Page : std::array<std::byte, kPage> {};

  std::size_t length_;
  std::unique_ptr<Page[]> pages_;
};

// Exactly what the lines "KIND NAME VALUE" say: no name is missing, on either side.
inline void expect_all(const std::string& kind, Values read) {
  std::size_t compared = 0;
  for (const Line& line : vectors()) {
    if (line[0] != kind) continue;
    EXPECT_EQ(read[line.at(1)], line.at(2)) << kind << " " << line[1];
    ++compared;
  }
  EXPECT_EQ(compared, read.size()) << kind << ": the vectors leave something out";
}

}  // namespace framering::test
