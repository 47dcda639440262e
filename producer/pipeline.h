// SPDX-License-Identifier: Apache-2.0
//
// Drives a source: one step after the other, on one thread, for as long as anybody wants pictures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output.h"
#include "source.h"
#include "stop_signal.h"
#include "watchdog.h"

namespace framering {

struct PipelineLimits {
  std::uint64_t frames = 0;     // end after so many pictures; 0: go on
  std::uint64_t idle_ns = 0;    // rest when nobody has wanted anything for so long
  std::uint64_t linger_ns = 0;  // after the end, serve readers so long at most
};

class Pipeline {
 public:
  // `outputs` are those of source.streams(), in that order. All outlive the pipeline.
  Pipeline(Source& source, std::vector<Output>& outputs, StopSignal& stop, Watchdog& watchdog,
           PipelineLimits limits);

  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Returns when the source has ended or a stop was requested. What the source throws comes out.
  void run();

 private:
  [[nodiscard]] bool nobody_wants_it(std::uint64_t now_ns) noexcept;
  void rest();
  void pass_on_requests(std::uint64_t now_ns);
  void after_step(std::uint64_t now_ns);
  void say_ready(std::uint64_t now_ns);
  void say_refusals();
  void end();
  [[nodiscard]] std::uint64_t pictures() const noexcept;  // of the output that has most
  [[nodiscard]] std::uint64_t all_pictures() const noexcept;

  Source& source_;
  std::vector<Output>& outputs_;
  StopSignal& stop_;
  Watchdog& watchdog_;
  const PipelineLimits limits_;
  const std::uint64_t began_ns_;
  std::uint64_t wanted_ns_;    // last time somebody wanted something
  std::uint64_t beat_ns_ = 0;  // last heartbeat
  bool ready_ = false;
  std::vector<std::string> refusals_;  // as last told to people
};

}  // namespace framering
