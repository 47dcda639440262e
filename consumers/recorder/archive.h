// SPDX-License-Identifier: Apache-2.0
//
// The folder of recordings: which files of one stream are there, in the order in which they were
// made, and the index. Several recorders may share a folder; each keeps to its own stream's files.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>

#include "ring/fd.h"
#include "summary.h"

namespace framering::recorder {

class Archive {
 public:
  Archive(std::string folder, std::string stream);

  // Makes the folder if there is none, and finds what earlier runs left there: files that a crash
  // kept out of the index are added to it. Returns 0 or an errno.
  [[nodiscard]] int open();
  // A new file for what began then. A name that is taken (the clock was set back) is passed over: a
  // millisecond later. Invalid: `error` is the errno.
  [[nodiscard]] Fd create(Container container, std::int64_t& began_ms, int& error);
  // Nothing got into that new file.
  void discard(Container container, std::int64_t began_ms) noexcept;
  // A file is complete. Returns 0, or the errno of writing the index; try again then.
  [[nodiscard]] int add(const Summary& summary, std::uint64_t bytes);
  // Deletes the oldest file; false: there is none, or `error` is why not.
  bool drop_oldest(int& error);

  [[nodiscard]] std::string name_of(Container container, std::int64_t began_ms) const;
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  // of complete files
  [[nodiscard]] std::size_t files() const noexcept { return files_.size(); }
  [[nodiscard]] std::int64_t oldest_ms() const noexcept {  // 0: there is none
    return files_.empty() ? 0 : files_.front().began_ms;
  }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept;  // of the file system, for this user

 private:
  // Small, as there may be hundreds of thousands: the name follows from it.
  struct File {
    std::int64_t began_ms;
    std::uint64_t bytes;
    Container container;
  };
  class Lock;

  [[nodiscard]] bool parse_name(const std::string& name, File& file) const;
  // Returns other streams' files that are named as ours are: "a/b" and "a-b" make the same name.
  [[nodiscard]] std::set<std::string> read_index();
  [[nodiscard]] int recover(const std::set<std::string>& others);
  void keep(const File& file);
  [[nodiscard]] int append(const std::string& line);
  [[nodiscard]] int compact();
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  const std::string folder_;
  const std::string stream_;
  const std::string prefix_;  // of the names of its files
  std::deque<File> files_;    // complete ones, oldest first
  std::uint64_t bytes_ = 0;
  std::size_t stale_lines_ = 0;  // of the index, whose file we have deleted
};

}  // namespace framering::recorder
