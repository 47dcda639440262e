// SPDX-License-Identifier: Apache-2.0
#include "sink.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "stop_signal.h"

namespace framering::cli {

namespace {

int open_for_writing(const std::string& path) {
  if (path.empty()) return -1;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
  return fd;
}

}  // namespace

Sink::Sink(const std::string& path)
    : name_(path.empty() ? "stdout" : path),
      file_(open_for_writing(path)),
      fd_(path.empty() ? STDOUT_FILENO : file_.get()) {}

bool Sink::write(const StreamReader& reader, const Frame& frame, std::span<const std::byte> bytes) {
  const std::uint64_t set = frame.meta.parameter_set;
  if ((frame.meta.flags & kFrameHasParameters) != 0) {
    written_generation_ = frame.generation;
    written_set_ = set;
  } else if (set != 0 && (set != written_set_ || frame.generation != written_generation_)) {
    const std::vector<std::byte> annex_b = reader.parameter_set(set);
    if (!annex_b.empty()) {
      if (!write_all(annex_b)) return false;
      written_generation_ = frame.generation;
      written_set_ = set;
    }
  }
  return write_all(bytes);
}

bool Sink::write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (stop_requested()) return false;
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      return false;
    } else if (errno == EAGAIN) {  // somebody made our stdout non-blocking
      pollfd writable{fd_, POLLOUT, 0};
      ::poll(&writable, 1, 1000);
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot write " + name_);
    }
  }
  return true;
}

}  // namespace framering::cli
