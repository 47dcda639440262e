// SPDX-License-Identifier: Apache-2.0
#include "control_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "ring/clock.h"
#include "ring/quiet_thread.h"

namespace framering::recorder {
namespace {

constexpr std::uint64_t kPatience_ns = 1'000'000'000;
constexpr std::size_t kLongestRequest = 4096;

[[noreturn]] void fail(const std::string& address, int error) {
  throw std::runtime_error("cannot listen on " + address + ": " + std::strerror(error));
}

// Waits for the socket; false: its time is over.
bool await(int socket, short events, std::uint64_t deadline_ns) noexcept {
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns >= deadline_ns) return false;
  pollfd watched{socket, events, 0};
  return ::poll(&watched, 1, static_cast<int>((deadline_ns - now_ns) / 1'000'000) + 1) > 0;
}

// What a line of the header says: "Origin:" of any case. None: there is no such line.
std::optional<std::string_view> header_of(std::string_view request,
                                          std::string_view name) noexcept {
  for (std::size_t at = request.find("\r\n"); at != std::string_view::npos;
       at = request.find("\r\n", at + 2)) {
    std::string_view line = request.substr(at + 2);
    if (line.size() <= name.size() || line[name.size()] != ':' ||
        ::strncasecmp(line.data(), name.data(), name.size()) != 0) {
      continue;
    }
    line = line.substr(name.size() + 1, line.find("\r\n") - name.size() - 1);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return line;
  }
  return std::nullopt;
}

// A page can have its own name lead here (DNS rebinding), and then asks without an Origin; but it
// asks by that name.
bool is_local(std::string_view host) noexcept {
  const std::string_view name = host.substr(0, host.rfind(':'));
  return name == "localhost" || name.starts_with("127.");
}

const char* reason(int code) noexcept {
  switch (code) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    default:
      return "Bad Request";
  }
}

}  // namespace

ControlServer::ControlServer(Handler handler)
    : handler_(std::move(handler)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
}

ControlServer::~ControlServer() {
  (void)::eventfd_write(stop_.get(), 1);
  if (thread_.joinable()) thread_.join();
  if (local_.valid()) ::unlink(local_path_.c_str());
}

void ControlServer::listen_local(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());  // of a former process with our id
  if (!socket.valid() ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), 8) != 0) {
    fail(path, errno);
  }
  local_ = std::move(socket);
  local_path_ = path;
}

std::string ControlServer::listen_http(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1 ||
      std::from_chars(text.data() + colon + 1, end, port).ptr != end) {
    throw std::runtime_error("--listen " + text + ": it takes ADDRESS:PORT, as 127.0.0.1:8090");
  }
  if (ntohl(address.sin_addr.s_addr) >> 24 != 127) {
    throw std::runtime_error("--listen " + text +
                             ": other machines reach that; it takes 127.0.0.1");
  }
  address.sin_port = htons(port);
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (!socket.valid() ||
      ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(socket.get(), raw, length) != 0 || ::listen(socket.get(), 8) != 0 ||
      ::getsockname(socket.get(), raw, &length) != 0) {
    fail(text, errno);
  }
  http_ = std::move(socket);
  return text.substr(0, colon + 1) + std::to_string(ntohs(address.sin_port));
}

void ControlServer::start() {
  if (!local_.valid() && !http_.valid()) return;
  thread_ = quiet_thread([this] { run(); });
}

void ControlServer::run() {
  for (;;) {
    std::array<pollfd, 3> watched = {pollfd{stop_.get(), POLLIN, 0},
                                     pollfd{local_.get(), POLLIN, 0},
                                     pollfd{http_.get(), POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    for (const auto& [listener, entrance] :
         {std::pair(watched[1], Entrance::local), std::pair(watched[2], Entrance::http)}) {
      if (listener.revents == 0) continue;
      const Fd connection(::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (connection.valid()) {
        serve(connection.get(), entrance);
      } else if (errno != EAGAIN && errno != ECONNABORTED) {
        ::usleep(100'000);  // out of descriptors, say: the connection stays where it is
      }
    }
  }
}

void ControlServer::serve(int connection, Entrance entrance) const {
  const std::uint64_t deadline_ns = monotonic_ns() + kPatience_ns;
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos) {
    std::array<char, 1024> part;
    if (request.size() > kLongestRequest || !await(connection, POLLIN, deadline_ns)) return;
    const ssize_t count = ::recv(connection, part.data(), part.size(), 0);
    if (count <= 0) return;
    request.append(part.data(), static_cast<std::size_t>(count));
  }
  const Reply reply = answer(request, entrance);
  std::string text = "HTTP/1.1 " + std::to_string(reply.code) + " " + reason(reply.code) +
                     "\r\nContent-Type: " + reply.type +
                     "\r\nContent-Length: " + std::to_string(reply.text.size()) +
                     "\r\nConnection: close\r\n\r\n" + reply.text;
  for (std::string_view left = text; !left.empty();) {
    if (!await(connection, POLLOUT, deadline_ns)) return;
    const ssize_t count = ::send(connection, left.data(), left.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    left.remove_prefix(static_cast<std::size_t>(count));
  }
  ::shutdown(connection, SHUT_WR);
}

Reply ControlServer::answer(std::string_view request, Entrance entrance) const {
  // Browsers name the page that asks: no page has any business here.
  const auto host = header_of(request, "Host");
  if (header_of(request, "Origin") || (host && !is_local(*host))) {
    return {403, "{\"error\":\"not for web pages\"}\n"};
  }
  const std::string_view line = request.substr(0, request.find("\r\n"));
  const std::size_t first = line.find(' '), second = line.rfind(' ');
  if (first == std::string_view::npos || second <= first + 1 ||
      !line.substr(second + 1).starts_with("HTTP/1.")) {
    return {400, "{\"error\":\"no HTTP request\"}\n"};
  }
  return handler_(line.substr(0, first), line.substr(first + 1, second - first - 1), entrance);
}

}  // namespace framering::recorder
