// SPDX-License-Identifier: Apache-2.0
//
// kvm-standin-ctl SOCKET COMMAND...: sends one command to the stand-in and prints the answer.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace {

constexpr int kAnswerTimeoutMs = 20'000;  // more than the busiest machine needs

int fail(const char* what) {
  std::perror(what);
  return 1;
}

int send_command(const char* path, const std::string& command) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    std::fprintf(stderr, "%s: path too long for a socket\n", path);
    return 1;
  }
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail("socket");
  // Binding to the family alone gives an address of the kernel's choice, to be answered at.
  sockaddr_un own{};
  own.sun_family = AF_UNIX;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own.sun_family) != 0) {
    return fail("bind");
  }
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(path);
  }
  if (send(fd, command.data(), command.size(), 0) < 0) return fail("send");
  pollfd waited{fd, POLLIN, 0};
  std::array<char, 512> answer{};
  if (poll(&waited, 1, kAnswerTimeoutMs) != 1) {
    std::fprintf(stderr, "%s: no answer\n", path);
    return 1;
  }
  const ssize_t bytes = recv(fd, answer.data(), answer.size(), 0);
  if (bytes < 0) return fail("recv");
  const std::string_view text(answer.data(), static_cast<size_t>(bytes));
  std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
  close(fd);
  return text == "ok" ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s SOCKET COMMAND...\n", argv[0]);
    return 2;
  }
  std::string command = argv[2];
  for (int i = 3; i < argc; ++i) command.append(" ").append(argv[i]);
  return send_command(argv[1], command);
}
