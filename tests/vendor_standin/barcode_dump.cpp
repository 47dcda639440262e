// SPDX-License-Identifier: Apache-2.0
//
// barcode_dump WIDTH HEIGHT NUMBER TIME_US: a luma plane with that barcode on stdout, for
// barcode_test.mjs.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "barcode.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int width = std::atoi(argv[1]);
  const int height = std::atoi(argv[2]);
  kvm_standin::Nv21Picture picture{nullptr, width, height, width};
  std::vector<uint8_t> bytes(picture.bytes(), 90);
  picture.data = bytes.data();
  const auto number = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10));
  kvm_standin::draw_barcode(picture, {number, std::strtoull(argv[4], nullptr, 10)});
  const size_t luma_bytes = static_cast<size_t>(width) * static_cast<size_t>(height);
  return std::fwrite(bytes.data(), 1, luma_bytes, stdout) == luma_bytes ? 0 : 1;
}
