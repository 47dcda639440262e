// SPDX-License-Identifier: Apache-2.0
#include "index_line.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/names.h"
#include "wall_clock.h"

namespace framering::recorder {
namespace {

using Json = nlohmann::ordered_json;

double milliseconds_kept(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

std::string hexadecimal(std::uint64_t number) {  // many JSON readers keep only 53 bits of a number
  char text[24];
  std::snprintf(text, sizeof text, "0x%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

std::string index_line(const std::string& file, const std::string& stream, const Summary& summary,
                       std::uint64_t bytes) {
  const auto ended_ms = summary.began_ms + std::llround(summary.seconds * 1000);
  Json line = {{"file", file},
               {"stream", stream},
               {"began", iso_time(summary.began_ms)},
               {"ended", iso_time(ended_ms)},
               {"seconds", milliseconds_kept(summary.seconds)},
               {"bytes", bytes},
               {"codec", codec_name(summary.codec)},
               {"width", summary.width},
               {"height", summary.height},
               {"generation", hexadecimal(summary.generation)},
               {"first_frame", summary.first_frame},
               {"last_frame", summary.last_frame},
               {"frames", summary.frames},
               {"frames_lost", summary.frames_lost},
               {"gaps", Json::array()}};
  for (const Gap& gap : summary.gaps) {
    line["gaps"].push_back({{"frames", gap.frames},
                            {"before_frame", gap.before},
                            {"at_seconds", milliseconds_kept(gap.seconds)}});
  }
  if (summary.trigger_ms != 0) line["trigger"] = iso_time(summary.trigger_ms);
  return line.dump() + "\n";
}

std::string recovered_line(const std::string& file, const std::string& stream,
                           std::int64_t began_ms, std::uint64_t bytes) {
  const Json line = {{"file", file},
                     {"stream", stream},
                     {"began", iso_time(began_ms)},
                     {"bytes", bytes},
                     {"recovered", true}};
  return line.dump() + "\n";
}

Named named_by_line(const std::string& line) {
  const Json parsed = Json::parse(line, nullptr, false);
  if (!parsed.is_object()) return {};
  const auto text = [&](const char* key) {
    const auto found = parsed.find(key);
    return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Named named{text("file"), text("stream")};
  return named.file.find('/') == std::string::npos ? named : Named{};
}

std::string file_of_line(const std::string& line, const std::string& stream) {
  Named named = named_by_line(line);
  return named.stream == stream ? std::move(named.file) : std::string();
}

}  // namespace framering::recorder
