// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "options.h"
#include "settings.h"
#include "source.h"
#include "stop_signal.h"

namespace framering {

// Numbered, checksummed frames (schema/pattern_frame.h), written straight into the ring. Runs
// whether or not anybody reads, unless told otherwise: it is the measure that readers are tested
// with.
class PatternSource : public Source {
 public:
  PatternSource(const Options& options, StopSignal& stop);

  [[nodiscard]] std::vector<WriterOptions> streams() override;
  Step step(std::span<Output> outputs) override;
  bool request_key_frame(std::size_t stream) override;
  [[nodiscard]] bool on_demand() const override { return on_demand_; }

 private:
  void take_settings();

  const std::string stream_;
  const std::uint64_t max_size_;
  const std::uint32_t gop_;
  const bool on_demand_;
  StopSignal& stop_;
  SettingsBoard board_;
  std::uint64_t size_;
  std::uint64_t interval_ns_;  // 0: as fast as it can
  std::uint64_t due_ns_ = 0;
  std::uint32_t since_key_ = 0;  // frames since the last key frame, itself included; 0: key next
};

}  // namespace framering
