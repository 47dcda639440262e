// SPDX-License-Identifier: Apache-2.0
//
// The one thread that touches the disk. Whoever feeds it never waits for it: it looks whether there
// is room, and if there is none, leaves its frames in the ring.
//
// A disk that fails is a disk that is slow: the same bytes are tried again at the same place, so
// that nothing is lost while the ring covers it. Only a file that is gone, or on a file system that
// came back without it, is abandoned; whoever feeds then goes back to the first frame that was not
// written.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "archive.h"
#include "ring/fd.h"
#include "status.h"

namespace framering::recorder {

// What is deleted, oldest first.
struct Retention {
  std::uint64_t max_bytes = 0;  // of the stream's files, the open one included; 0: no limit
  double max_age_s = 0;         // 0: no limit
  std::uint64_t min_free = 0;   // bytes that the file system is to keep free
};

struct StorageOptions {
  std::string folder;
  std::string stream;
  Retention retention;
  double sync_s = 5;  // fdatasync so often; 0: never
};

class Storage {
 public:
  static constexpr std::size_t kRoom = std::size_t{256} << 10;  // bytes that may wait

  Storage(StorageOptions options, Status& status);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  // One file after the other: begin, any number of write, end. `through`: as below, before the
  // first bytes.
  void begin(Container container, std::int64_t began_ms, std::uint64_t through);
  // `through`: once these bytes are in the file, this frame and all before it are.
  void write(std::vector<std::byte> bytes, std::uint64_t through);
  void end(Summary summary);

  // Any thread; holds from the next look on.
  void retain(const Retention& retention);

  [[nodiscard]] bool has_room() const;
  // Bytes after which a file should end: only complete ones can be deleted to stay below max_bytes.
  [[nodiscard]] std::uint64_t enough_for_a_file() const;
  // Once after a file was abandoned: the newest frame that need not be
  // written again. What is still written
  // to that file until then goes nowhere.
  [[nodiscard]] std::optional<std::uint64_t> take_abandoned();
  // Readable when there is room again or a file was abandoned.
  [[nodiscard]] int event_fd() const noexcept { return event_.get(); }
  // Waits until all is written. False: not within that time.
  [[nodiscard]] bool finish(std::chrono::nanoseconds limit);

 private:
  struct Command {
    enum class Kind : std::uint8_t { begin, write, end } kind = Kind::begin;
    std::uint64_t file = 0;
    Container container = Container::mp4;
    std::int64_t began_ms = 0;
    std::vector<std::byte> bytes;
    std::uint64_t through = 0;
    Summary summary;
  };
  enum class Again : std::uint8_t { yes, no };

  void push(Command command);
  void run();
  void open_archive();
  void carry_out(Command& command);
  void open_file(const Command& command);
  void write_bytes(const Command& command);
  void end_file(Command& command);
  void abandon(const std::string& why);
  void sync_if_due();
  [[nodiscard]] Retention retention() const;
  void apply_retention(bool disk_is_full);
  [[nodiscard]] Again failed(const std::string& what, int error);
  void worked();
  void show_archive();

  const StorageOptions options_;
  Status& status_;
  Fd event_;

  // The thread's own.
  Archive archive_;
  bool archive_known_ = false;  // what is in the folder
  Fd file_;
  std::uint64_t file_id_ = 0;
  Container file_container_ = Container::mp4;
  std::string file_name_;
  std::int64_t file_began_ms_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t file_through_ = 0;
  std::uint64_t synced_ns_ = 0;
  std::uint64_t failing_since_ns_ = 0;  // 0: it works
  std::uint64_t retained_ns_ = 0;

  // Under mutex_.
  mutable std::mutex mutex_;
  Retention retention_;
  bool retention_is_new_ = false;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Command> queue_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t current_ = 0;    // file that commands are for
  std::uint64_t abandoned_ = 0;  // commands for this file go nowhere
  std::optional<std::uint64_t> news_;
  bool busy_ = false;
  bool stopping_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace framering::recorder
