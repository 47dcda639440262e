// SPDX-License-Identifier: Apache-2.0
//
// Which streams there are, who produces and who reads them. Bounded. Knows connections by their
// serial numbers only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control/socket_path.h"
#include "page_layout.h"
#include "ring/ring_view.h"
#include "ring/segment.h"

namespace framering {

using Serial = std::uint32_t;  // of a connection; never used twice

// A shared page of a reader, mapped read-only. 64 KiB: room for layouts to come.
inline constexpr std::size_t kMaxSharedPageBytes = 65536;

// What a consumer asked for, kept until it is answered.
struct AttachRequest {
  std::uint32_t request = 0;
  std::string stream;
  std::uint32_t layout = 0;
  Bell bell = Bell::futex;
  bool wait = false;
  std::string name;
  Fd reader_page;  // handed to the producer; closed once attached
};

struct Reader {
  std::uint64_t id = 0;  // random: knowing it is the claim to the reader
  Serial consumer = 0;
  std::string name;
  std::uint32_t pid = 0, uid = 0;
  Bell bell = Bell::futex;
  ForeignSegment page;       // ReaderPage; a claim of the consumer
  ForeignSegment bell_page;  // BellPage; mapped once attached, for waking

  // Until the producer has answered.
  bool attached = false;
  std::uint32_t producer_request = 0;
  std::uint64_t deadline_ns = 0;
  AttachRequest attach;
};

struct Stream {
  std::string name;
  std::string program;
  Serial producer = 0;
  std::uint32_t pid = 0, uid = 0;
  Fd ring;
  ForeignSegment mapping;
  RingView view;
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::uint64_t> unclaimed;  // readers it served before the broker came back

  [[nodiscard]] Reader* find(std::uint64_t id) noexcept;
  void erase(std::uint64_t id) noexcept;
};

class Registry {
 public:
  Registry(std::uint32_t max_streams, std::uint32_t max_readers);

  [[nodiscard]] std::uint32_t max_streams() const noexcept { return max_streams_; }
  [[nodiscard]] std::uint32_t max_readers() const noexcept { return max_readers_; }  // of a stream
  [[nodiscard]] bool full() const noexcept { return streams_.size() == max_streams_; }
  [[nodiscard]] bool full(const Stream& stream) const noexcept {
    return stream.readers.size() >= max_readers_;
  }

  [[nodiscard]] Stream* find(const std::string& name) noexcept;
  [[nodiscard]] Stream* of_producer(Serial producer) noexcept;
  [[nodiscard]] Stream* of_reader(std::uint64_t id) noexcept;
  Stream& add(std::unique_ptr<Stream> stream);
  [[nodiscard]] std::unique_ptr<Stream> remove(const Stream& stream) noexcept;
  [[nodiscard]] const std::vector<std::unique_ptr<Stream>>& streams() const noexcept {
    return streams_;
  }

 private:
  const std::uint32_t max_streams_;
  const std::uint32_t max_readers_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

// A random number that is not 0 (getrandom(2)).
[[nodiscard]] std::uint64_t random_id();

}  // namespace framering
