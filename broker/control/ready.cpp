// SPDX-License-Identifier: Apache-2.0
#include "control/ready.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "ring/fd.h"

namespace framering {

void notify_service_manager(const std::string& assignments) noexcept {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket (unix(7))
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return;
  const auto address_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  // MSG_DONTWAIT: a service manager that does not read must not hold up anybody.
  (void)::sendto(socket.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&address), address_bytes);
}

void announce_ready(const std::string& program, const std::string& sentence) noexcept {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), sentence.c_str());
  notify_service_manager("READY=1");
}

}  // namespace framering
