// SPDX-License-Identifier: Apache-2.0
//
// What uStreamer's scripts expect: /stream, /snapshot and /state with its headers, options and
// JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "encoded_frame.h"
#include "request_target.h"
#include "stream_directory.h"

namespace framering::websocket {

// Options of /stream. Unknown ones, and those for things that do not exist here, are ignored:
// dual_final_frames, since a picture is shown when it comes, not when the next one does.
struct UstreamerOptions {
  std::string key;               // comes back in the cookie stream_client
  bool extra_headers = false;    // X-UStreamer-... with each part
  bool advance_headers = false;  // a part's header right after the former part, without a length
  bool dual_final_frames = false;
  bool zero_data = false;  // headers only
};
[[nodiscard]] UstreamerOptions parse_ustreamer_options(const RequestTarget& target);

// One client of /stream, as /state shows it. The rate is of the last whole second.
struct UstreamerClient {
  UstreamerOptions options;
  std::uint32_t fps = 0;

  void count(std::uint64_t now_ns) noexcept;

 private:
  std::uint64_t second_ = 0;
  std::uint32_t pictures_ = 0;
};

// Those connected, by their number. One thread.
class UstreamerClients {
 public:
  [[nodiscard]] std::uint64_t add(UstreamerClient& client);
  void remove(std::uint64_t id) { clients_.erase(id); }
  [[nodiscard]] const std::map<std::uint64_t, const UstreamerClient*>& all() const noexcept {
    return clients_;
  }

 private:
  std::map<std::uint64_t, const UstreamerClient*> clients_;
  std::uint64_t last_ = 0;
};

// The response's head up to the first boundary.
[[nodiscard]] std::string ustreamer_response(const UstreamerOptions& options, std::uint64_t id);
// A part's header; with advance_headers it belongs to the part that comes next.
[[nodiscard]] std::string ustreamer_part(const UstreamerClient& client, const EncodedFrame& picture,
                                         std::uint64_t now_ns);
[[nodiscard]] std::string ustreamer_advance_part();
// Of the stream of that name; not online, if it is not in the list.
[[nodiscard]] std::string ustreamer_state_json(const std::string& stream,
                                               const StreamDirectory::Answer& list,
                                               const UstreamerClients& clients);

inline constexpr std::string_view kUstreamerBoundary = "\r\n--boundarydonotcross\r\n";

// Seconds since 1970 with six decimals, as in X-Timestamp.
[[nodiscard]] std::string wall_clock_text();

}  // namespace framering::websocket
