// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace framering::cli {

// A bar on stderr, for people: none if that is no terminal, and none before a second has passed.
class Progress {
 public:
  Progress(std::string what, std::uint64_t total);
  ~Progress();  // takes the bar away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void at(std::uint64_t done);

 private:
  const std::string what_;
  const std::uint64_t total_;
  const std::uint64_t began_ns_;
  std::uint64_t shown_ns_ = 0;
  const bool terminal_;
};

}  // namespace framering::cli
