// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "shared_cursor.h"
#include "wishes.h"

namespace framering::libkvm {

// What one kvmv_read_img asks for; 0 leaves what holds.
struct Request {
  std::uint16_t width = 0, height = 0;
  std::uint16_t quality = 0;
  bool operator==(const Request&) const = default;
};

// The library between kvmv_init and kvmv_deinit: both streams of one source, and a thread that
// brings settings to the producer and lets go of streams that nobody reads. Any thread.
class Vision {
 public:
  // $FRAMERING_STREAM/h264 and /mjpeg. Needs no broker.
  explicit Vision(bool debug);
  ~Vision() { close(); }
  Vision(const Vision&) = delete;
  Vision& operator=(const Vision&) = delete;

  [[nodiscard]] std::shared_ptr<const Picture> read(SharedCursor::Codec codec,
                                                    const Request& request);
  void set_gop(std::uint8_t frames);
  void set_frame_detect(std::uint8_t frames);
  [[nodiscard]] bool set_hdmi(bool on);
  [[nodiscard]] bool has_signal();

  // Reads that are under way end within 0.1 s, later ones at once. Waits for the thread: 5 s,
  // should the producer hang just now.
  void close();

 private:
  // What callers of one codec asked for last, and how often in a row.
  struct Asked {
    Request request;
    int times = 0;
    std::atomic<int> told_result{1};  // one that no read has
  };
  void note(SharedCursor::Codec codec, const Request& request);
  void tell(SharedCursor::Codec codec, int result);
  void want(const std::string& key, const std::string& value);
  void keep_house();

  const std::string stream_;
  const bool debug_;
  std::array<SharedCursor, 2> cursors_;  // by codec, as is asked_
  Wishes wishes_;

  std::mutex mutex_;
  std::condition_variable woken_;
  bool closed_ = false;
  bool due_ = false;     // there is a new wish
  bool read_ = false;    // somebody has read, so there is a stream to let go of later
  bool asleep_ = false;  // the thread, without a time limit
  std::array<Asked, 2> asked_;
  std::thread housekeeper_;
};

}  // namespace framering::libkvm
