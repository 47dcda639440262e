// SPDX-License-Identifier: Apache-2.0
#include "output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace framering::cli {

OutputFile::OutputFile(const std::string& path)
    : path_(path),
      part_(path + ".part"),
      file_(::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (!file_.valid()) fail();
}

OutputFile::~OutputFile() {
  if (!kept_) ::unlink(part_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail();
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void OutputFile::keep() {
  const bool synced = ::fdatasync(file_.get()) == 0 || errno == EINVAL;  // it may be a pipe
  if (!synced || ::rename(part_.c_str(), path_.c_str()) != 0) fail();
  kept_ = true;
}

void OutputFile::fail() const {
  throw std::system_error(errno, std::generic_category(), "cannot write " + path_);
}

}  // namespace framering::cli
