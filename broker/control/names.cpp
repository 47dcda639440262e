// SPDX-License-Identifier: Apache-2.0
#include "control/names.h"

namespace framering {

const char* to_string(SourceState state) noexcept {
  switch (state) {
    case SourceState::starting:
      return "starting";
    case SourceState::live:
      return "live";
    case SourceState::no_signal:
      return "no_signal";
    case SourceState::unsupported_resolution:
      return "unsupported_resolution";
    case SourceState::changing_resolution:
      return "changing_resolution";
    case SourceState::encoder_error:
      return "encoder_error";
    case SourceState::frame_too_large:
      return "frame_too_large";
    case SourceState::ended:
      return "ended";
    case SourceState::replaced:
      return "replaced";
    case SourceState::idle:
      return "idle";
  }
  return "unknown";
}

const char* to_string(Bell bell) noexcept {
  switch (bell) {
    case Bell::futex:
      return "futex";
    case Bell::eventfd:
      return "eventfd";
    case Bell::line:
      return "line";
  }
  return "unknown";
}

std::string codec_name(std::uint32_t codec) {
  switch (codec) {
    case kCodecH264:
      return "h264";
    case kCodecH265:
      return "h265";
    case kCodecMjpeg:
      return "mjpeg";
    case kCodecPattern:
      return "pattern";
    default:
      break;
  }
  std::string name;
  for (int shift = 0; shift < 32; shift += 8) {
    const auto c = static_cast<char>(codec >> shift & 0xFF);
    name += c > ' ' && c < 0x7f ? c : '?';
  }
  return name;
}

}  // namespace framering
