// SPDX-License-Identifier: Apache-2.0
#include "wall_clock.h"

#include <cstdio>
#include <ctime>

#include "ring/clock.h"

namespace framering {
namespace {

std::string format(std::int64_t wall_ms, const char* pattern, const char* end) {
  const time_t seconds = wall_ms / 1000;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char day[32];
  const std::size_t length = std::strftime(day, sizeof day, pattern, &parts);
  char text[48];
  std::snprintf(text, sizeof text, "%.*s.%03d%s", static_cast<int>(length), day,
                static_cast<int>(wall_ms % 1000), end);
  return text;
}

}  // namespace

std::int64_t wall_clock_ms(std::uint64_t then_ns) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::uint64_t ago_ns = monotonic_ns() - then_ns;
  return std::int64_t{now.tv_sec} * 1000 +
         (now.tv_nsec - static_cast<std::int64_t>(ago_ns)) / 1'000'000;
}

std::string iso_time(std::int64_t wall_ms) {
  return format(wall_ms, "%Y-%m-%dT%H:%M:%S", "Z");
}

std::string file_time(std::int64_t wall_ms) {
  return format(wall_ms, "%Y%m%dT%H%M%S", "");
}

std::int64_t parse_file_time(const std::string& text) noexcept {
  tm parts{};
  int milliseconds = 0, used = 0;
  const int found = std::sscanf(text.c_str(), "%4d%2d%2dT%2d%2d%2d.%3d%n", &parts.tm_year,
                                &parts.tm_mon, &parts.tm_mday, &parts.tm_hour, &parts.tm_min,
                                &parts.tm_sec, &milliseconds, &used);
  if (found != 7 || text.size() != 19 || used != 19) return -1;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return std::int64_t{::timegm(&parts)} * 1000 + milliseconds;
}

}  // namespace framering
