// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "options.h"
#include "settings.h"
#include "source.h"
#include "stop_signal.h"

struct AVBSFContext;
struct AVFormatContext;
struct AVPacket;

namespace framering {

struct FreeAv {
  void operator()(AVFormatContext* context) const noexcept;
  void operator()(AVBSFContext* context) const noexcept;
  void operator()(AVPacket* packet) const noexcept;
};

// A film as libavformat reads it, at its own pace: frames in decoding order with DTS and PTS, H.264
// and H.265 in Annex-B form. Plays whether or not anybody reads.
class FileSource : public Source {
 public:
  // Opens the file. Throws std::runtime_error naming it and what is wrong.
  FileSource(const Options& options, StopSignal& stop);
  ~FileSource() override;

  [[nodiscard]] std::vector<WriterOptions> streams() override;
  Step step(std::span<Output> outputs) override;

 private:
  using Packet = std::unique_ptr<AVPacket, FreeAv>;

  void open();
  void open_filter();
  void choose_time_base();
  [[nodiscard]] Packet read_packet();     // from the filter; none at the end
  [[nodiscard]] bool fill_queue();        // false: the film has ended for good
  void stamp(AVPacket& packet) noexcept;  // gives it DTS and PTS that only grow
  void start_over();
  [[nodiscard]] std::uint64_t due_ns(const AVPacket& packet) noexcept;

  const std::string path_;
  const std::string stream_;
  const bool loop_;
  const double fps_;  // as the operator chose; 0: as the file says
  StopSignal& stop_;
  SettingsBoard board_{{}};

  std::unique_ptr<AVFormatContext, FreeAv> format_;
  std::unique_ptr<AVBSFContext, FreeAv> filter_;  // none for MJPEG
  int index_ = -1;                                // of the video stream
  std::uint32_t codec_ = 0;
  std::uint32_t width_ = 0, height_ = 0;
  bool without_stamps_ = false;               // elementary stream: they are made up from the rate
  std::int64_t tick_num_ = 0, tick_den_ = 1;  // time base, seconds
  std::int64_t frame_ticks_ = 1;              // usual distance of two frames

  std::deque<Packet> queue_;               // read, not published
  bool drained_ = false;                   // everything of this pass was read
  bool dts_seen_ = false;                  // in this pass
  bool seam_ = false;                      // the next packet is the first of another pass
  const AVPacket* seam_packet_ = nullptr;  // in the queue: the first of another pass
  std::uint64_t packets_ = 0;              // of this pass
  std::int64_t offset_ = 0;                // added to the file's stamps; grows with each pass
  std::int64_t last_dts_ = 0;              // of the newest stamped packet
  bool stamped_ = false;                   // last_dts_ holds something
  std::uint64_t began_ns_ = 0;             // when the packet with origin_dts_ was due; 0: not begun
  std::int64_t origin_dts_ = 0;
};

}  // namespace framering
