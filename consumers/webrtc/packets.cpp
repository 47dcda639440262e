// SPDX-License-Identifier: Apache-2.0
#include "packets.h"

#include <algorithm>

#include "annex_b.h"

namespace framering::webrtc {

namespace {

using Bytes = std::span<const std::byte>;

// nal_unit_type: ITU-T H.264 table 7-1; RFC 6184 table 1.
constexpr unsigned kDelimiter = 9, kFiller = 12, kStapA = 24, kFuA = 28;
constexpr std::size_t kSizeBytes = 2;  // before each NAL unit of a STAP-A

unsigned type_of(Bytes nal) noexcept {
  return std::to_integer<unsigned>(nal[0]) & 0x1f;
}

class Cutter {
 public:
  explicit Cutter(PacketizedFrame& frame) : frame_(frame) {}

  void add(Bytes nal) {
    if (nal.size() > kMaxPayloadBytes) {
      finish();
      return fragment(nal);
    }
    if (waiting_bytes_ + kSizeBytes + nal.size() > kMaxPayloadBytes) finish();
    waiting_.push_back(nal);
    waiting_bytes_ += kSizeBytes + nal.size();
  }

  // Those that wait go out: one as it is, several as a STAP-A (RFC 6184, 5.7.1).
  void finish() {
    if (waiting_.size() == 1) append(waiting_[0]);
    if (waiting_.size() > 1) {
      // The highest importance of its parts, and F if one has it.
      unsigned importance = 0, forbidden = 0;
      for (const Bytes nal : waiting_) {
        const auto head = std::to_integer<unsigned>(nal[0]);
        importance = std::max(importance, head & 0x60);
        forbidden |= head & 0x80;
      }
      append(static_cast<std::byte>(forbidden | importance | kStapA));
      for (const Bytes nal : waiting_) {
        append(static_cast<std::byte>(nal.size() >> 8));
        append(static_cast<std::byte>(nal.size() & 0xff));
        append(nal);
      }
    }
    if (!waiting_.empty()) end_packet();
    waiting_.clear();
    waiting_bytes_ = 1;
  }

 private:
  // FU-A, RFC 6184, 5.8.
  void fragment(Bytes nal) {
    const auto head = std::to_integer<unsigned>(nal[0]);
    Bytes rest = nal.subspan(1);
    for (bool first = true; !rest.empty(); first = false) {
      const Bytes part = rest.first(std::min(rest.size(), kMaxPayloadBytes - 2));
      rest = rest.subspan(part.size());
      append(static_cast<std::byte>((head & 0xe0) | kFuA));
      append(static_cast<std::byte>((first ? 0x80u : 0u) | (rest.empty() ? 0x40u : 0u) |
                                    (head & 0x1f)));
      append(part);
      end_packet();
    }
  }
  void append(std::byte byte) { frame_.payloads.push_back(byte); }
  void append(Bytes bytes) {
    frame_.payloads.insert(frame_.payloads.end(), bytes.begin(), bytes.end());
  }
  void end_packet() { frame_.ends.push_back(static_cast<std::uint32_t>(frame_.payloads.size())); }

  PacketizedFrame& frame_;
  std::vector<Bytes> waiting_;
  std::size_t waiting_bytes_ = 1;  // as a STAP-A
};

void put(std::byte*& to, std::uint32_t value, int bytes) noexcept {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    *to++ = static_cast<std::byte>(value >> shift & 0xff);
}

}  // namespace

SharedPackets packetize(Bytes access_unit, bool key, std::uint64_t captured_us) {
  auto frame = std::make_shared<PacketizedFrame>();
  frame->key = key;
  frame->rtp_time = static_cast<std::uint32_t>(captured_us * 9 / 100);
  frame->payloads.reserve(access_unit.size() + access_unit.size() / 256 + 64);
  Cutter cutter(*frame);
  NalSpan nal;
  for (std::size_t from = 0; next_nal(access_unit, from, nal); from = nal.end) {
    Bytes bytes = access_unit.subspan(nal.nal, nal.end - nal.nal);
    while (!bytes.empty() && bytes.back() == std::byte{0}) bytes = bytes.first(bytes.size() - 1);
    // What browsers have no use for.
    if (bytes.empty() || type_of(bytes) == kDelimiter || type_of(bytes) == kFiller) continue;
    cutter.add(bytes);
  }
  cutter.finish();
  return frame;
}

void RtpStream::write_header(std::byte* to, std::uint32_t rtp_time, bool last) noexcept {
  const bool extended = playout_delay_id != 0;
  put(to, 0x80 | (extended ? 0x10u : 0u), 1);  // RFC 3550, 5.1
  put(to, (last ? 0x80u : 0u) | payload_type, 1);
  put(to, sequence++, 2);
  put(to, rtp_time + time_offset, 4);
  put(to, ssrc, 4);
  if (!extended) return;
  // RFC 8285, 4.2: one word of one-byte elements. Minimum and maximum delay, 12 bits each, both 0:
  // show each picture as soon as it is decoded, instead of smoothing at the cost of delay.
  put(to, 0xbede, 2);
  put(to, 1, 2);
  put(to, static_cast<std::uint32_t>(playout_delay_id) << 4 | 2, 1);
  put(to, 0, 3);
}

}  // namespace framering::webrtc
