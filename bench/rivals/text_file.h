// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

namespace framering::bench {

// Throws std::system_error when it cannot be written; close() says whether all of it was.
class TextFile {
 public:
  explicit TextFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "w")) {
    if (!file_) throw std::system_error(errno, std::generic_category(), path);
  }
  [[gnu::format(printf, 2, 3)]] void print(const char* format, ...) {
    va_list values;
    va_start(values, format);
    std::vfprintf(file_.get(), format, values);
    va_end(values);
  }
  void close() {
    if (std::ferror(file_.get()) != 0 || std::fflush(file_.get()) != 0) {
      throw std::system_error(errno, std::generic_category(), path_);
    }
  }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::string path_;
  const std::unique_ptr<std::FILE, Closer> file_;
};

}  // namespace framering::bench
