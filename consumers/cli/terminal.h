// SPDX-License-Identifier: Apache-2.0
//
// A full-screen display by plain ANSI escape sequences.
#pragma once

#include <termios.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace framering::cli {

class Terminal {
 public:
  // Takes the screen: alternate buffer, no cursor, keys come at once and are not echoed.
  Terminal();
  ~Terminal();  // gives it back as it was
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  struct Size {
    std::size_t columns = 80;
    std::size_t rows = 24;
  };
  [[nodiscard]] static Size size() noexcept;

  // Replaces what is shown; lines beyond the last row are left out, and it says how many.
  void show(const std::vector<std::string>& lines);
  // Waits for a key, at most so long. 0: none came (or a signal did).
  [[nodiscard]] static char key(std::chrono::milliseconds timeout) noexcept;

 private:
  termios before_{};
  bool keys_changed_ = false;
};

}  // namespace framering::cli
