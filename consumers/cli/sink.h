// SPDX-License-Identifier: Apache-2.0
//
// Where `framering cat` puts a bitstream: a file or stdout.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "control/stream_reader.h"
#include "ring/fd.h"

namespace framering::cli {

class Sink {
 public:
  // Empty path: stdout. Throws std::system_error naming the file.
  explicit Sink(const std::string& path);

  // Writes the frame, and before it the parameter sets that it needs and that are not in its bytes,
  // if they were not written yet. Blocks while a pipe is full: the producer does not notice. False:
  // whoever read the pipe has gone, or a signal asked to stop. Throws std::system_error on any
  // other fault.
  [[nodiscard]] bool write(const StreamReader& reader, const Frame& frame,
                           std::span<const std::byte> bytes);

 private:
  [[nodiscard]] bool write_all(std::span<const std::byte> bytes);

  const std::string name_;  // for people
  const Fd file_;           // not used for stdout
  const int fd_;
  std::uint64_t written_generation_ = 0;  // of the parameter sets written last
  std::uint64_t written_set_ = 0;
};

}  // namespace framering::cli
