// SPDX-License-Identifier: Apache-2.0
//
// NanoKVM's HDMI capture and encoders. Every call into the vendor's library is made on the pipeline
// thread: it has no locks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"
#include "output.h"
#include "rate_control.h"
#include "settings.h"
#include "source.h"
#include "sources/kvm_h264.h"
#include "sources/vendor_library.h"
#include "stop_signal.h"
#include "watchdog.h"

namespace framering {

// Makes NAME/h264 and NAME/mjpeg of the same pictures; encodes only what somebody wants.
class KvmSource : public Source {
 public:
  // Loads and starts the library. Throws std::runtime_error naming what is wrong with it.
  KvmSource(const Options& options, StopSignal& stop, Watchdog& watchdog);
  ~KvmSource() override;

  [[nodiscard]] std::vector<WriterOptions> streams() override;
  Step step(std::span<Output> outputs) override;
  bool request_key_frame(std::size_t stream) override;
  [[nodiscard]] bool watched() const override { return true; }
  void recreate_encoder() override { h264_.drop_channel(); }
  // A change of settings holds although nobody watches, and so does that HDMI is off.
  [[nodiscard]] bool on_demand() const override { return hdmi_ && !board_.change_waits(); }

 private:
  void take_settings(std::span<Output> outputs);
  void change_size(std::uint64_t size, std::span<Output> outputs);
  [[nodiscard]] bool add_vi_channel(std::uint64_t size);
  void follow_rates(std::uint64_t now_ns, std::span<Output> outputs);
  [[nodiscard]] int pop(VendorPicture& picture);
  void hdmi_is_off(std::span<Output> outputs);
  void pop_failed(int result, std::uint64_t asked_ns, std::span<Output> outputs);
  void encode(const VendorPicture& picture, std::span<Output> outputs);
  [[nodiscard]] bool encode_jpeg(const VendorPicture& picture, Output& output);
  [[nodiscard]] bool jpeg_changed(Output::Bytes jpeg, const Output& output, std::uint64_t now_ns);
  void note_encoder(bool good, std::uint64_t& failing_since_ns, Output& output);

  const std::string stream_;
  StopSignal& stop_;
  Watchdog& watchdog_;
  SettingsBoard board_;
  VendorLibrary vendor_;
  KvmH264 h264_;
  RateControl bitrate_;
  RateControl quality_;
  std::uint32_t fps_;
  std::uint32_t gop_;
  std::uint64_t size_;  // of the capture channel, packed
  bool frame_detect_ = false;
  bool hdmi_ = true;

  std::uint64_t due_ns_ = 0;  // next picture
  std::uint64_t rates_looked_ns_ = 0;
  std::uint64_t h264_encoded_ns_ = 0;        // newest picture that went to the H.264 encoder
  std::uint64_t h264_failing_since_ns_ = 0;  // 0: it works
  std::uint64_t jpeg_failing_since_ns_ = 0;
  std::uint64_t jpeg_hash_ = 0;  // frame detection: of the newest that was published
  std::uint64_t jpeg_published_ns_ = 0;
  std::uint32_t jpeg_readers_ = 0;
  bool after_fault_ = false;  // pictures were missing: the next one is a key frame
};

}  // namespace framering
