// SPDX-License-Identifier: Apache-2.0
//
// What a command says while, and because, no frame comes.
#pragma once

#include <string>

#include "control/stream_reader.h"

namespace framering::cli {

class Waiting {
 public:
  Waiting(std::string stream, std::string socket_dir)
      : stream_(std::move(stream)), socket_dir_(std::move(socket_dir)) {}

  // Tells people on stderr what is waited for, once for each reason.
  void tell(const StreamReader& reader);
  // Throws CommandError: no_broker, no_stream or timed_out, whichever it was.
  [[noreturn]] void give_up(const StreamReader& reader, double timeout_s) const;

 private:
  [[nodiscard]] std::string reason(const StreamReader& reader) const;

  const std::string stream_;
  const std::string socket_dir_;
  std::string told_;
};

}  // namespace framering::cli
