// SPDX-License-Identifier: Apache-2.0
//
// What a descriptor from a neighbour is, found out without asking the file system behind it: that
// may be the neighbour's own (FUSE in a user namespace needs no rights), and never answer.
#pragma once

#include <cstdint>

namespace framering {

enum class DescriptorKind : std::uint8_t {
  memory,       // a memfd (or another file with seals: shared memory all the same)
  unix_socket,  // may be a line; what is queued in it may be anything
  event,        // an eventfd
  foreign,      // nothing that a message may bring: only a Disposer may close it
};

[[nodiscard]] DescriptorKind kind_of(int fd) noexcept;

}  // namespace framering
