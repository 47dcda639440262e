// SPDX-License-Identifier: Apache-2.0
//
// kvm-standin-dump jpeg|h264 WIDTH HEIGHT COUNT > file: the stand-in's pictures without a producer.
// Loads the libraries from KVM_STANDIN_DIR (default: the working directory).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "vendor_client.h"

namespace {

using namespace kvm_standin;

int dump(bool h264, int w, int h, int count) {
  start(w, h);
  mmf_venc_cfg_t config = h264_config(w, h);
  config.in_fps = config.out_fps = 30;
  if (h264 && vendor().add_venc_channel(kH264Channel, &config) != kOk) return 1;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    const Bytes bytes = h264 ? joined(next_h264()) : next_jpeg(90);
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%d pictures in %.2f s\n", count, took.count());
  return vendor().try_deinit(true);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s jpeg|h264 WIDTH HEIGHT COUNT > file\n", argv[0]);
    return 2;
  }
  try {
    return dump(std::string_view(argv[1]) == "h264", std::atoi(argv[2]), std::atoi(argv[3]),
                std::atoi(argv[4]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
