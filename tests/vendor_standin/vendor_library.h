// SPDX-License-Identifier: Apache-2.0
//
// The stand-in's state and the meaning of each vendor call; exports.cpp gives them their symbols.
// Everything runs on the one thread that called mmf_init, except Faults (told by ControlSocket).
//
//     vi_frame_pop ─► kHeld ─── jpg push, pop, free (any number of times) ───┐
//                       │                                                   │
//                  vi_frame_free                                       vi_frame_release
//                       ▼                                                   ▼
//                   kDeferred ─ venc_push ─► kEncoding ─ venc_pop, venc_free ─► kNone
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "abi.h"
#include "call_rules.h"
#include "control_socket.h"
#include "faults.h"
#include "frame_pool.h"
#include "h264_encoder.h"
#include "jpeg_encoder.h"
#include "picture_source.h"

namespace kvm_standin {

class VendorLibrary {
 public:
  int init();
  int try_deinit(bool force);

  int vi_init();
  int add_vi_channel(int ch, int w, int h, int format);
  int del_vi_channel(int ch);
  int vi_frame_pop(int ch, void** data, int* len, int* w, int* h, int* format);
  void vi_frame_free(int ch);
  void vi_frame_release(int ch);

  int add_venc_channel(int ch, const mmf_venc_cfg_t& config);
  int venc_push(int ch, uint8_t* data, int w, int h, int format);
  int venc_pop(int ch, mmf_stream_t* stream);
  int venc_free(int ch);
  int del_venc_channel(int ch);
  int request_idr(int ch);

  int jpg_init(int ch, int w, int h, int format, int quality);
  int jpg_push(int ch, uint8_t* data, int w, int h, int format, int quality);
  int jpg_pop(int ch, uint8_t** data, int* size);
  int jpg_free(int ch);
  int jpg_deinit(int ch);

 private:
  enum class Job { kIdle, kPushed, kPopFailed, kPopped };

  struct VencChannel {
    mmf_venc_cfg_t config;
    H264Encoder encoder;
    AccessUnit unit;
    Job job = Job::kIdle;
    bool holds_frame = false;  // the VPSS frame itself was pushed; venc_free releases it

    explicit VencChannel(const mmf_venc_cfg_t& cfg) : config(cfg), encoder(cfg) {}
  };

  struct JpegChannel {
    int number;
    JpegEncoder encoder;
    std::vector<uint8_t> jpeg;
    Job job = Job::kIdle;

    JpegChannel(int ch, int w, int h) : number(ch), encoder(w, h) {}
  };

  // First line of every call: the fault that is due, then the thread.
  void enter(const char* call);
  FramePool& vi_channel(const char* call, int ch);
  std::unique_ptr<VencChannel>& venc_slot(const char* call, int ch);
  VencChannel& venc_channel(const char* call, int ch);
  void demand_idle_encoders(const char* call, bool h264, bool jpeg) const;
  void demand_usable(const char* call, const uint8_t* data, int w, int h, int format) const;
  void apply_resolution(const NewResolution& resolution);
  int deliver(void** data, int* len, int* w, int* h, int* format);
  Nv21Picture copy_as_vendor(const uint8_t* data, int w, int h);
  void tear_down();

  static constexpr int kVencChannels = 8;

  OneThread thread_;
  Faults faults_;
  bool vi_ready_ = false;
  std::optional<PictureSource> source_;
  int vi_channel_ = -1;
  std::unique_ptr<FramePool> pool_;
  std::array<std::unique_ptr<VencChannel>, kVencChannels> venc_;
  std::unique_ptr<JpegChannel> jpeg_;
  std::vector<uint8_t> copy_;  // the vendor's own input buffer, for its copy path
  std::vector<std::vector<uint8_t>> leaked_jpegs_;  // failed jpg_pops leak; kept for leak checkers
  std::optional<ControlSocket> control_;            // last: its thread uses faults_
};

}  // namespace kvm_standin
