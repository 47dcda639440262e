// SPDX-License-Identifier: Apache-2.0
#include "storage.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "ring/clock.h"
#include "ring/quiet_thread.h"
#include "wall_clock.h"

namespace framering::recorder {
namespace {

constexpr std::chrono::milliseconds kRetry{250};
// An error that is not about space may be for good: then a new file is tried.
constexpr std::uint64_t kPatience_ns = 2'000'000'000;
constexpr std::uint64_t kRetentionInterval_ns = 60'000'000'000;
constexpr std::uint64_t kLeastFiles = 4;  // that max_bytes is for

bool about_space(int error) noexcept {
  return error == ENOSPC || error == EDQUOT;
}

// Nobody can reach what is written to it any more.
bool is_gone(const Fd& file) noexcept {
  struct stat facts {};
  return ::fstat(file.get(), &facts) == 0 && facts.st_nlink == 0;
}

}  // namespace

Storage::Storage(StorageOptions options, Status& status)
    : options_(std::move(options)),
      status_(status),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      archive_(options_.folder, options_.stream),
      retention_(options_.retention) {
  if (!event_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
  thread_ = quiet_thread([this] { run(); });
}

Storage::~Storage() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Storage::push(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (command.kind == Command::Kind::begin) ++current_;
    command.file = current_;
    if (current_ == abandoned_) return;
    waiting_bytes_ += command.bytes.size();
    queue_.push_back(std::move(command));
  }
  wake_.notify_one();
}

void Storage::begin(Container container, std::int64_t began_ms, std::uint64_t through) {
  Command command;
  command.kind = Command::Kind::begin;
  command.container = container;
  command.began_ms = began_ms;
  command.through = through;
  push(std::move(command));
}

void Storage::write(std::vector<std::byte> bytes, std::uint64_t through) {
  Command command;
  command.kind = Command::Kind::write;
  command.bytes = std::move(bytes);
  command.through = through;
  push(std::move(command));
}

void Storage::end(Summary summary) {
  Command command;
  command.kind = Command::Kind::end;
  command.summary = std::move(summary);
  push(std::move(command));
}

void Storage::retain(const Retention& retention) {
  {
    const std::lock_guard lock(mutex_);
    retention_ = retention;
    retention_is_new_ = true;
  }
  wake_.notify_one();
}

Retention Storage::retention() const {
  const std::lock_guard lock(mutex_);
  return retention_;
}

bool Storage::has_room() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_ < kRoom;
}

std::uint64_t Storage::enough_for_a_file() const {
  const std::uint64_t most = retention().max_bytes;
  return most != 0 ? most / kLeastFiles : UINT64_MAX;
}

std::optional<std::uint64_t> Storage::take_abandoned() {
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, std::nullopt);
}

bool Storage::finish(std::chrono::nanoseconds limit) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, limit, [this] { return queue_.empty() && !busy_; });
}

void Storage::run() {
  open_archive();
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto something = [this] { return !queue_.empty() || retention_is_new_ || stopping_; };
    bool look_again = false;
    if (retention_.max_age_s > 0) {
      look_again =
          !wake_.wait_for(lock, std::chrono::nanoseconds(kRetentionInterval_ns), something);
    } else {
      wake_.wait(lock, something);
    }
    if (stopping_) return;
    if (std::exchange(retention_is_new_, false) || look_again) {
      lock.unlock();
      apply_retention(false);
      lock.lock();
      continue;
    }
    Command command = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    carry_out(command);
    lock.lock();
    busy_ = false;
    const bool had_room = waiting_bytes_ < kRoom;
    waiting_bytes_ -= command.bytes.size();
    status_.change([&](StatusValues& values) { values.waiting_bytes = waiting_bytes_; });
    if (!had_room && waiting_bytes_ < kRoom) (void)::eventfd_write(event_.get(), 1);
    if (queue_.empty()) idle_.notify_all();
  }
}

void Storage::open_archive() {
  int error = 0;
  while ((error = archive_.open()) != 0) {
    if (failed("cannot use " + options_.folder, error) == Again::no) return;
  }
  archive_known_ = true;
  worked();
  apply_retention(false);
}

void Storage::carry_out(Command& command) {
  {
    const std::lock_guard lock(mutex_);
    if (command.file == abandoned_) return;
  }
  switch (command.kind) {
    case Command::Kind::begin:
      open_file(command);
      break;
    case Command::Kind::write:
      write_bytes(command);
      break;
    case Command::Kind::end:
      end_file(command);
      break;
  }
}

void Storage::open_file(const Command& command) {
  file_id_ = command.file;
  file_container_ = command.container;
  file_began_ms_ = command.began_ms;
  file_bytes_ = 0;
  file_through_ = command.through;
  file_name_ = archive_.name_of(command.container, command.began_ms);
  if (!archive_known_) archive_known_ = archive_.open() == 0;
  for (;;) {
    int error = 0;
    file_ = archive_.create(command.container, file_began_ms_, error);
    if (file_.valid()) break;
    if (failed("cannot make " + options_.folder + "/" + file_name_, error) == Again::no) return;
  }
  worked();
  file_name_ = archive_.name_of(command.container, file_began_ms_);
  synced_ns_ = monotonic_ns();
  status_.change([&](StatusValues& values) {
    values.recording = true;
    values.file = file_name_;
  });
}

void Storage::write_bytes(const Command& command) {
  std::size_t done = 0;
  const std::uint64_t began_ns = monotonic_ns();
  while (done < command.bytes.size()) {
    const ssize_t count =
        ::pwrite(file_.get(), command.bytes.data() + done, command.bytes.size() - done,
                 static_cast<off_t>(file_bytes_ + done));
    if (count > 0) {
      done += static_cast<std::size_t>(count);
      continue;
    }
    const int error = count == 0 ? ENOSPC : errno;
    if (error == EINTR) continue;
    if (is_gone(file_)) break;
    if (failed("cannot write " + file_name_, error) == Again::no) return;
    if (!about_space(error) && monotonic_ns() - failing_since_ns_ > kPatience_ns) {
      abandon(std::strerror(error));
      return;
    }
  }
  if (is_gone(file_)) {
    abandon("it was deleted");
    return;
  }
  worked();
  const double took_s = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
  file_bytes_ += done;
  file_through_ = std::max(file_through_, command.through);
  status_.change([&](StatusValues& values) {
    values.bytes += done;
    values.slowest_write_s = std::max(values.slowest_write_s, took_s);
  });
  sync_if_due();
  if (!archive_known_) archive_known_ = archive_.open() == 0;
  if (retention().max_bytes != 0 || monotonic_ns() - retained_ns_ > kRetentionInterval_ns) {
    apply_retention(false);
  }
}

void Storage::sync_if_due() {
  const std::uint64_t now_ns = monotonic_ns();
  if (options_.sync_s <= 0 || static_cast<double>(now_ns - synced_ns_) < options_.sync_s * 1e9) {
    return;
  }
  synced_ns_ = now_ns;
  if (::fdatasync(file_.get()) != 0) {
    status_.change([](StatusValues& values) { ++values.disk_errors; });
  }
}

void Storage::end_file(Command& command) {
  if (is_gone(file_)) {
    abandon("it was deleted");
    return;
  }
  if (options_.sync_s > 0) (void)::fdatasync(file_.get());
  file_.reset();
  command.summary.began_ms = file_began_ms_;
  int error = 0;
  while ((error = archive_.add(command.summary, file_bytes_)) != 0) {
    if (failed("cannot write the index in " + options_.folder, error) == Again::no) return;
  }
  worked();
  status_.change([](StatusValues& values) {
    ++values.files;
    values.recording = false;
    values.file.clear();
  });
  apply_retention(false);
}

// The file cannot be gone on with; what was written to it stays.
void Storage::abandon(const std::string& why) {
  std::fprintf(stderr, "framering-recorder: gives up %s: %s; goes on in a new file\n",
               file_name_.c_str(), why.c_str());
  (void)!::ftruncate(file_.get(),
                     static_cast<off_t>(file_bytes_));  // to whole fragments, if it can
  file_.reset();
  if (file_bytes_ == 0) archive_.discard(file_container_, file_began_ms_);
  failing_since_ns_ = 0;
  archive_known_ = false;  // what of it is there goes into the index as soon as that can be
  status_.change([](StatusValues& values) {
    ++values.disk_errors;
    values.recording = false;
    values.file.clear();
  });
  const std::lock_guard lock(mutex_);
  abandoned_ = file_id_;
  std::erase_if(queue_, [this](const Command& command) {
    if (command.file != abandoned_) return false;
    waiting_bytes_ -= command.bytes.size();
    return true;
  });
  news_ = file_through_;
  (void)::eventfd_write(event_.get(), 1);
}

// Deletes the oldest files, as far as it takes.
void Storage::apply_retention(bool disk_is_full) {
  const Retention limits = retention();
  retained_ns_ = monotonic_ns();
  const std::int64_t now_ms = wall_clock_ms(retained_ns_);
  const auto too_old_ms = now_ms - static_cast<std::int64_t>(limits.max_age_s * 1000);
  for (;;) {
    const std::uint64_t open_bytes = file_.valid() ? file_bytes_ : 0;
    const bool too_many = limits.max_bytes != 0 && archive_.bytes() + open_bytes > limits.max_bytes;
    const bool too_old =
        limits.max_age_s > 0 && archive_.files() != 0 && archive_.oldest_ms() < too_old_ms;
    const bool too_full =
        limits.min_free != 0 && (disk_is_full || archive_.free_bytes() < limits.min_free);
    int error = 0;
    if (!too_many && !too_old && !too_full) break;
    if (!archive_.drop_oldest(error)) break;
    disk_is_full = false;
    status_.change([](StatusValues& values) { ++values.files_deleted; });
  }
  show_archive();
}

void Storage::show_archive() {
  status_.change([this](StatusValues& values) {
    values.files_kept = archive_.files();
    values.bytes_kept = archive_.bytes();
  });
}

// Says so, once for each trouble, and waits a little.
Storage::Again Storage::failed(const std::string& what, int error) {
  const std::string text = what + ": " + std::strerror(error);
  if (failing_since_ns_ == 0) failing_since_ns_ = monotonic_ns();
  bool news = false;
  status_.change([&](StatusValues& values) {
    ++values.disk_errors;
    news = values.complaint != text;
    values.complaint = text;
  });
  if (news) std::fprintf(stderr, "framering-recorder: %s; tries again\n", text.c_str());
  if (about_space(error)) apply_retention(true);
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, kRetry, [this] { return stopping_; });
  return stopping_ ? Again::no : Again::yes;
}

void Storage::worked() {
  if (std::exchange(failing_since_ns_, std::uint64_t{0}) == 0) return;
  status_.change([](StatusValues& values) { values.complaint.clear(); });
  std::fprintf(stderr, "framering-recorder: the disk takes data again\n");
}

}  // namespace framering::recorder
