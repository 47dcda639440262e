// SPDX-License-Identifier: Apache-2.0
//
// What a source is: it has streams, and makes one picture at a time for their outputs. Its
// implementations are in sources/.
//
//     main ─► Pipeline::run ─► Source::step ─► Output::publish ─► StreamWriter (broker/control)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "control/stream_writer.h"

namespace framering {

class Output;

class Source {
 public:
  enum class Step : std::uint8_t { more, ended };

  virtual ~Source() = default;

  // What its streams are, one Output for each in this order. The pipeline adds what the operator
  // chose (socket directory, slots, history).
  [[nodiscard]] virtual std::vector<WriterOptions> streams() = 0;

  // Publishes at most one picture, sets the outputs' states. Comes back within about a second even
  // when there is nothing to publish. Throws std::runtime_error when nothing more can come.
  virtual Step step(std::span<Output> outputs) = 0;

  // The next picture of that stream shall be a key frame. False: this source has no say in it.
  virtual bool request_key_frame(std::size_t /*stream*/) { return false; }

  // An encoder behind it owes a picture every so often, and can be built anew when it does not.
  [[nodiscard]] virtual bool watched() const { return false; }
  virtual void recreate_encoder() {}

  // Need not run while nobody wants any of its streams.
  [[nodiscard]] virtual bool on_demand() const { return false; }
};

}  // namespace framering
