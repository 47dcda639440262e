// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace framering::cli {

namespace {

// ECMA-48 and DEC private modes, as every terminal of today knows them.
constexpr const char* kTakeScreen = "\x1b[?1049h\x1b[?25l";
constexpr const char* kGiveBack = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearToEndOfLine = "\x1b[K";
constexpr const char* kClearBelow = "\x1b[J";

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

Terminal::Terminal() {
  if (::tcgetattr(STDIN_FILENO, &before_) == 0) {  // stdin may be something else: then no keys
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    keys_changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  put(kTakeScreen);
}

Terminal::~Terminal() {
  put(kGiveBack);
  if (keys_changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Terminal::Size Terminal::size() noexcept {
  Size size;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    size.columns = window.ws_col;
    size.rows = window.ws_row;
  }
  return size;
}

void Terminal::show(const std::vector<std::string>& lines) {
  const Size room = size();
  const bool all = lines.size() <= room.rows;
  const std::size_t shown = all ? lines.size() : room.rows - 1;
  std::string screen = kHome;
  for (std::size_t row = 0; row < shown; ++row) {
    if (row != 0) screen += "\r\n";
    screen += lines[row].substr(0, room.columns) + kClearToEndOfLine;
  }
  if (!all) {
    screen += "\r\n... " + std::to_string(lines.size() - shown) + " more lines" + kClearToEndOfLine;
  }
  put(screen + kClearBelow);
}

char Terminal::key(std::chrono::milliseconds timeout) noexcept {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (::poll(&input, 1, static_cast<int>(timeout.count())) <= 0) return 0;
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) == 1) return key;
  // No keyboard (end of file, hung up): it would be "readable" for ever.
  std::this_thread::sleep_for(timeout);
  return 0;
}

}  // namespace framering::cli
