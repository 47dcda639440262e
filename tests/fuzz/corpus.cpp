// SPDX-License-Identifier: Apache-2.0
//
// Gives libFuzzer the target's seeds: as files in $FRAMERING_FUZZ_CORPUS, its corpus.
#include <cstdlib>
#include <fstream>
#include <string>

#include "fuzz_input.h"

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* folder = std::getenv("FRAMERING_FUZZ_CORPUS");
  if (folder == nullptr) return 0;
  int count = 0;
  for (const framering::fuzz::Seed& seed : framering::fuzz::seeds()) {
    std::ofstream file(std::string(folder) + "/seed-" + std::to_string(count++), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()),
               static_cast<std::streamsize>(seed.size()));
    framering::fuzz::demand(file.good(), "the seed is written");
  }
  return 0;
}
