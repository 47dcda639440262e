// SPDX-License-Identifier: Apache-2.0
//
// framering.h is C++ as well, with every warning on: compiling this file is the test.
#include "framering.h"

int main() {
  const framering_frame frame = framering_frame_init();
  const framering_reader_options reader = framering_reader_options_init();
  const framering_writer_options writer = framering_writer_options_init();
  const framering_demand demand = framering_demand_init();
  const bool sized = frame.struct_size == sizeof frame && reader.struct_size == sizeof reader &&
                     writer.struct_size == sizeof writer && demand.struct_size == sizeof demand;
  static_assert(FRAMERING_CODEC_H264 == 0x34363248, "the first character is in the lowest byte");
  return sized && framering_version()[0] != '\0' ? 0 : 1;
}
