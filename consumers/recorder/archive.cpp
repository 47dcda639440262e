// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "index_line.h"
#include "wall_clock.h"

namespace framering::recorder {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "index.jsonl";
constexpr int kNameTries = 10'000;  // ms that a clock may go back within one recording
constexpr std::size_t kFewStaleLines = 64;

std::string prefix_of(std::string stream) {
  std::ranges::replace(stream, '/', '-');
  return stream + "_";
}

}  // namespace

// Held while the index is changed: another recorder of the same folder waits.
class Archive::Lock {
 public:
  explicit Lock(const std::string& folder)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (folder_.valid()) (void)::flock(folder_.get(), LOCK_EX);
  }

 private:
  Fd folder_;
};

Archive::Archive(std::string folder, std::string stream)
    : folder_(std::move(folder)), stream_(std::move(stream)), prefix_(prefix_of(stream_)) {}

std::string Archive::name_of(Container container, std::int64_t began_ms) const {
  return prefix_ + file_time(began_ms) + "." + to_string(container);
}

bool Archive::parse_name(const std::string& name, File& file) const {
  const std::size_t dot = name.rfind('.');
  if (!name.starts_with(prefix_) || dot == std::string::npos || dot < prefix_.size()) return false;
  const auto container = container_named(name.substr(dot + 1));
  file.began_ms = parse_file_time(name.substr(prefix_.size(), dot - prefix_.size()));
  if (!container || file.began_ms < 0) return false;
  file.container = *container;
  struct stat facts {};
  if (::stat(path(name).c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return false;
  file.bytes = static_cast<std::uint64_t>(facts.st_size);
  return true;
}

int Archive::open() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error && !fs::is_directory(folder_)) return error.value();
  files_.clear();
  bytes_ = 0;
  stale_lines_ = 0;
  const Lock lock(folder_);
  return recover(read_index());
}

void Archive::keep(const File& file) {
  files_.push_back(file);
  bytes_ += file.bytes;
}

std::set<std::string> Archive::read_index() {
  std::set<std::string> others;
  std::ifstream index(path(kIndex));
  for (std::string line; std::getline(index, line);) {
    File file{};
    const Named named = named_by_line(line);
    if (named.file.empty()) continue;
    if (named.stream != stream_) {
      if (named.file.starts_with(prefix_)) others.insert(named.file);
    } else if (parse_name(named.file, file)) {
      keep(file);
    } else {
      ++stale_lines_;
    }
  }
  return others;
}

// Files that are not in the index: whoever wrote them was killed, unless it still holds its lock.
int Archive::recover(const std::set<std::string>& others) {
  std::set<std::int64_t> known;
  for (const File& file : files_) known.insert(file.began_ms);
  std::vector<File> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    File file{};
    const std::string name = entry.path().filename().string();
    if (!parse_name(name, file) || known.contains(file.began_ms) || others.contains(name)) continue;
    const Fd held(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!held.valid() || ::flock(held.get(), LOCK_SH | LOCK_NB) == 0) found.push_back(file);
  }
  std::ranges::sort(found, {}, &File::began_ms);
  for (const File& file : found) {
    const std::string name = name_of(file.container, file.began_ms);
    if (const int failed = append(recovered_line(name, stream_, file.began_ms, file.bytes))) {
      return failed;
    }
    keep(file);
  }
  return error.value();
}

Fd Archive::create(Container container, std::int64_t& began_ms, int& error) {
  for (int tries = 0; tries < kNameTries; ++tries, ++began_ms) {
    Fd file(::open(path(name_of(container, began_ms)).c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    error = errno;
    if (file.valid()) {
      (void)::flock(file.get(), LOCK_EX | LOCK_NB);  // says that it is being written, see recover
      return file;
    }
    if (error == ENOENT) {  // the folder is gone: another one
      std::error_code ignored;
      fs::create_directories(folder_, ignored);
      if (!fs::is_directory(folder_, ignored)) return {};
    } else if (error != EEXIST) {
      return {};
    }
  }
  return {};
}

void Archive::discard(Container container, std::int64_t began_ms) noexcept {
  ::unlink(path(name_of(container, began_ms)).c_str());
}

int Archive::add(const Summary& summary, std::uint64_t bytes) {
  const std::string name = name_of(summary.container, summary.began_ms);
  const Lock lock(folder_);
  const int error = append(index_line(name, stream_, summary, bytes));
  if (error == 0) keep({summary.began_ms, bytes, summary.container});
  return error;
}

// One line, whole or not at all: what a crash or a full disk left of an earlier one goes first.
int Archive::append(const std::string& line) {
  const Fd index(::open(path(kIndex).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!index.valid()) return errno;
  off_t end = ::lseek(index.get(), 0, SEEK_END);
  char last = '\n';
  while (end > 0 && ::pread(index.get(), &last, 1, end - 1) == 1 && last != '\n') --end;
  if (::ftruncate(index.get(), end) != 0) return errno;
  const ssize_t written = ::pwrite(index.get(), line.data(), line.size(), end);
  if (written == static_cast<ssize_t>(line.size())) return 0;
  const int error = written < 0 ? errno : ENOSPC;
  (void)!::ftruncate(index.get(), end);
  return error;
}

bool Archive::drop_oldest(int& error) {
  error = 0;
  if (files_.empty()) return false;
  const File& oldest = files_.front();
  const std::string name = name_of(oldest.container, oldest.began_ms);
  if (::unlink(path(name).c_str()) != 0 && errno != ENOENT) {
    error = errno;
    return false;
  }
  bytes_ -= oldest.bytes;
  files_.pop_front();
  if (++stale_lines_ >= files_.size() / 4 + kFewStaleLines && compact() == 0) stale_lines_ = 0;
  return true;
}

// Writes the index anew, without the lines of our files that are gone.
int Archive::compact() {
  const Lock lock(folder_);
  const std::string fresh = path(std::string(kIndex) + ".new");
  {
    std::ifstream from(path(kIndex));
    std::ofstream to(fresh, std::ios::trunc);
    for (std::string line; std::getline(from, line);) {
      const std::string name = file_of_line(line, stream_);
      if (name.empty() || ::access(path(name).c_str(), F_OK) == 0) to << line << '\n';
    }
    to.close();
    if (!to) {
      ::unlink(fresh.c_str());
      return EIO;
    }
  }
  return ::rename(fresh.c_str(), path(kIndex).c_str()) == 0 ? 0 : errno;
}

std::uint64_t Archive::free_bytes() const noexcept {
  struct statvfs facts {};
  if (::statvfs(folder_.c_str(), &facts) != 0) return UINT64_MAX;
  return std::uint64_t{facts.f_bavail} * facts.f_frsize;
}

}  // namespace framering::recorder
