// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ring/fd.h"

namespace framering::cli {

// A file that is there as a whole or not at all: written beside its place, then put there.
class OutputFile {
 public:
  // Throws std::system_error naming the file, as do the rest.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void keep();

 private:
  [[noreturn]] void fail() const;

  const std::string path_, part_;
  Fd file_;
  bool kept_ = false;
};

}  // namespace framering::cli
