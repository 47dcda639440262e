// SPDX-License-Identifier: Apache-2.0
#include "recorders.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "control/socket_path.h"
#include "ring/fd.h"

namespace framering::cli {

namespace {

constexpr timeval kPatience{2, 0};
constexpr std::size_t kLongestReply = 64 << 10;

}  // namespace

RecorderReply ask_recorder(const std::string& socket, const std::string& request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  const Fd connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int limit : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    (void)::setsockopt(connection.get(), SOL_SOCKET, limit, &kPatience, sizeof kPatience);
  }
  const std::string text = request + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
          0 ||
      ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    return {};
  }
  std::string reply;
  std::array<char, 4096> part;
  for (ssize_t count = 0; reply.size() < kLongestReply &&
                          (count = ::recv(connection.get(), part.data(), part.size(), 0)) > 0;) {
    reply.append(part.data(), static_cast<std::size_t>(count));
  }
  const std::size_t body = reply.find("\r\n\r\n");
  RecorderReply result;
  if (body == std::string::npos || std::sscanf(reply.c_str(), "HTTP/1.1 %3d", &result.code) != 1) {
    return {};
  }
  result.text = reply.substr(body + 4);
  return result;
}

std::vector<Recorder> find_recorders(const std::string& socket_dir, const std::string& stream) {
  std::string dashes = stream;
  std::ranges::replace(dashes, '/', '-');
  const std::string prefix = "recorder." + dashes + ".";
  std::vector<Recorder> found;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(resolve_socket_dir(socket_dir), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".sock")) continue;
    const RecorderReply reply = ask_recorder(entry.path().string(), "GET /status");
    if (reply.code != 200) continue;
    auto status = nlohmann::ordered_json::parse(reply.text, nullptr, false);
    // a/b and a-b have the same name here.
    if (!status.is_object() || status.value("stream", "") != stream) continue;
    found.push_back({entry.path().string(), std::move(status)});
  }
  std::ranges::sort(found, {}, &Recorder::socket);
  return found;
}

}  // namespace framering::cli
