// SPDX-License-Identifier: Apache-2.0
//
// Checks the checker: reads behind the end of the heap for one input in a few hundred. Its test
// passes only if driver and sanitizer find that.
#include <vector>

#include "fuzz_input.h"

using namespace framering::fuzz;

std::vector<Seed> framering::fuzz::seeds() {
  return {Seed(8, 0)};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::byte> bytes(size, std::byte{1});
  if (size > 4 && data[3] == 0xFF) touch({bytes.data(), size + 1});
  return 0;
}
