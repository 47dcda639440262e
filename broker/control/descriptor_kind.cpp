// SPDX-License-Identifier: Apache-2.0
#include "control/descriptor_kind.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

namespace framering {

DescriptorKind kind_of(int fd) noexcept {
  // Only shared memory and huge pages have seals; everything else is refused before its file
  // system hears of it.
  if (::fcntl(fd, F_GET_SEALS) >= 0) return DescriptorKind::memory;
  int domain = 0;
  socklen_t length = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0) {
    // A TCP socket with SO_LINGER holds whoever closes it, too.
    return domain == AF_UNIX ? DescriptorKind::unix_socket : DescriptorKind::foreign;
  }
  char link[32];
  char target[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  // The kernel composes the text by itself. The name of a file begins with a slash.
  const ssize_t got = ::readlink(link, target, sizeof target);
  const std::string_view name(target, got < 0 ? 0 : static_cast<std::size_t>(got));
  return name == "anon_inode:[eventfd]" ? DescriptorKind::event : DescriptorKind::foreign;
}

}  // namespace framering
