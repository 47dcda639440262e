// SPDX-License-Identifier: Apache-2.0
//
// A reading process of the benchmark.
#pragma once

#include <string>
#include <vector>

#include "control/stream_reader.h"
#include "field.h"

namespace framering::bench {

// The streams of a field, one for each kind of waiting.
enum class Wait : std::uint32_t { futex, eventfd, line, predictive };
inline constexpr std::array<const char*, 4> kWaitNames{"futex", "eventfd", "line", "predictive"};
[[nodiscard]] Wait wait_of(Lane lane);

// Where frame `index` of a raw lane lies: back to back through the footprint, as in the ring.
[[nodiscard]] inline std::size_t raw_position(std::uint32_t index, std::size_t bytes,
                                              std::size_t footprint) {
  const std::size_t stride = (bytes + 63) / 64 * 64;
  return index % (footprint / stride) * stride;
}

class FieldReader {
 public:
  struct Place {
    std::uint32_t number = 0;  // of this reader
    std::uint32_t of = 0;      // readers; the last one takes part in `stopped_reader` only
    std::uint32_t bytes = 0;
    std::size_t footprint = 0;
    const std::byte* arena = nullptr;
    int event = -1;
  };
  FieldReader(FieldBoard& board, const Place& place, const std::string& socket_dir,
              const std::string& prefix);

  [[noreturn]] void serve();  // until killed

 private:
  void attach();
  void read_ring(StreamReader& reader, bool lease);
  void read_raw(bool by_eventfd);
  void note(std::uint32_t frame, std::uint64_t now_ns);

  FieldBoard& board_;
  const Place place_;
  std::vector<StreamReader> streams_;  // in the order of Wait
  std::vector<std::byte> buffer_;      // of the raw lanes
};

}  // namespace framering::bench
