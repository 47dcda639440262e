// SPDX-License-Identifier: Apache-2.0
#include "ustreamer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace framering::websocket {

namespace {

constexpr std::uint64_t kSecond_ns = 1'000'000'000;

bool is_set(const RequestTarget& target, std::string_view key) {
  const std::string* const value = target.query(key);
  return value != nullptr && (*value == "1" || *value == "true" || *value == "yes");
}

std::string seconds_text(std::uint64_t time_ns) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.06f", static_cast<double>(time_ns) / 1e9);
  return text.data();
}

// It comes back in a header: letters that cannot end one.
std::string harmless(std::string_view text) {
  std::string kept;
  for (const char letter : text.substr(0, 64)) {
    const bool plain = (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= 'a' && letter <= 'z') || letter == '-' || letter == '_';
    if (plain) kept.push_back(letter);
  }
  return kept.empty() ? "0" : kept;
}

std::string hex(std::uint64_t id) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%llx", static_cast<unsigned long long>(id));
  return text.data();
}

}  // namespace

UstreamerOptions parse_ustreamer_options(const RequestTarget& target) {
  const std::string* const key = target.query("key");
  return {.key = harmless(key != nullptr ? *key : ""),
          .extra_headers = is_set(target, "extra_headers"),
          .advance_headers = is_set(target, "advance_headers"),
          .dual_final_frames = is_set(target, "dual_final_frames"),
          .zero_data = is_set(target, "zero_data")};
}

void UstreamerClient::count(std::uint64_t now_ns) noexcept {
  const std::uint64_t second = now_ns / kSecond_ns;
  if (second != second_) {
    fps = pictures_;
    pictures_ = 0;
    second_ = second;
  }
  ++pictures_;
}

std::uint64_t UstreamerClients::add(UstreamerClient& client) {
  clients_.emplace(++last_, &client);
  return last_;
}

std::string ustreamer_response(const UstreamerOptions& options, std::uint64_t id) {
  return "HTTP/1.0 200 OK\r\n"
         "Cache-Control: no-store, no-cache, must-revalidate, proxy-revalidate, pre-check=0, "
         "post-check=0, max-age=0\r\n"
         "Pragma: no-cache\r\n"
         "Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n"
         "X-Content-Type-Options: nosniff\r\n"
         "Set-Cookie: stream_client=" +
         options.key + "/" + hex(id) +
         "; path=/; max-age=30\r\n"
         "Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n"
         "\r\n"
         "--boundarydonotcross\r\n";
}

std::string ustreamer_part(const UstreamerClient& client, const EncodedFrame& picture,
                           std::uint64_t now_ns) {
  const std::size_t bytes = client.options.zero_data ? 0 : picture.bytes.size();
  std::string part = "Content-Type: image/jpeg\r\nContent-Length: " + std::to_string(bytes) +
                     "\r\nX-Timestamp: " + wall_clock_text() + "\r\n";
  if (client.options.extra_headers) {
    const std::uint64_t captured_ns = picture.timestamp_us * 1000;
    const std::uint64_t encoded_ns =
        picture.encoded_ns != 0 ? picture.encoded_ns : picture.published_ns;
    const auto add = [&part](const char* name, const std::string& value) {
      part += std::string("X-UStreamer-") + name + ": " + value + "\r\n";
    };
    add("Online", "true");
    add("Width", std::to_string(picture.width));
    add("Height", std::to_string(picture.height));
    add("Client-FPS", std::to_string(client.fps));
    add("Grab-Time", seconds_text(captured_ns));
    add("Encode-Begin-Time", seconds_text(captured_ns));
    add("Encode-End-Time", seconds_text(encoded_ns));
    add("Expose-Begin-Time", seconds_text(picture.published_ns));
    add("Expose-End-Time", seconds_text(picture.read_ns));
    add("Send-Time", seconds_text(now_ns));
    add("Latency", seconds_text(now_ns - std::min(now_ns, captured_ns)));
  }
  return part + "\r\n";
}

std::string ustreamer_advance_part() {
  return "Content-Type: image/jpeg\r\nX-Timestamp: " + wall_clock_text() + "\r\n\r\n";
}

std::string ustreamer_state_json(const std::string& stream, const StreamDirectory::Answer& list,
                                 const UstreamerClients& clients) {
  using Json = nlohmann::ordered_json;
  Json shown = Json::object();
  std::uint32_t queued_fps = 0;
  for (const auto& [id, client] : clients.all()) {
    queued_fps = std::max(queued_fps, client->fps);
    shown[hex(id)] = {{"fps", client->fps},
                      {"extra_headers", client->options.extra_headers},
                      {"advance_headers", client->options.advance_headers},
                      {"dual_final_frames", client->options.dual_final_frames},
                      {"zero_data", client->options.zero_data},
                      {"key", client->options.key}};
  }
  const auto found = std::find_if(list.streams.begin(), list.streams.end(),
                                  [&](const StreamInfo& info) { return info.name == stream; });
  const StreamInfo info = found != list.streams.end() ? *found : StreamInfo{};
  // An encoder that rests because nobody watches has its source still.
  const bool online = info.state == SourceState::live || info.state == SourceState::idle;
  const Json result = {
      {"instance_id", ""},
      {"encoder", {{"type", "HW"}, {"quality", 0}}},
      {"source",
       {{"resolution", {{"width", info.width}, {"height", info.height}}},
        {"online", online},
        {"desired_fps", 0},
        {"captured_fps", queued_fps}}},
      {"stream",
       {{"queued_fps", queued_fps}, {"clients", clients.all().size()}, {"clients_stat", shown}}}};
  return Json{{"ok", true}, {"result", result}}.dump();
}

std::string wall_clock_text() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return seconds_text(static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()));
}

}  // namespace framering::websocket
