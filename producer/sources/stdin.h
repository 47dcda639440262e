// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "options.h"
#include "settings.h"
#include "source.h"
#include "sources/picture_splitter.h"
#include "stop_signal.h"

namespace framering {

// A bitstream that another program writes into a pipe. Live: each picture is published as it comes.
// Whoever writes into the pipe is only ever held up by this program's own speed, never by a reader.
class StdinSource : public Source {
 public:
  StdinSource(const Options& options, StopSignal& stop);

  [[nodiscard]] std::vector<WriterOptions> streams() override;
  Step step(std::span<Output> outputs) override;

 private:
  // Waits for bytes, half a second at most, and reads some.
  void read_more(Output& output);
  void finish(const Output& output) const;

  const std::string stream_;
  const PipeFormat format_;
  StopSignal& stop_;
  SettingsBoard board_{{}};
  std::unique_ptr<PictureSplitter> splitter_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t read_ns_ = 0;  // when the last bytes came
  std::int64_t stamp_us_ = 0;  // of the newest picture
  bool ended_ = false;
};

}  // namespace framering
