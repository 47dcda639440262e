// SPDX-License-Identifier: Apache-2.0
//
// RTP payloads of H.264 (RFC 6184). A frame is cut up once, for all of its viewers; only the
// headers are each viewer's own, as payload type, SSRC, numbers and the extension's ID are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace framering::webrtc {

// With IP, UDP, SRTP, RTP header, extension and what RTX adds it fits an Ethernet frame, also
// through a tunnel.
inline constexpr std::size_t kMaxPayloadBytes = 1180;
inline constexpr std::size_t kRtpHeaderBytes = 12;
inline constexpr std::size_t kRtpExtensionBytes = 8;

// Never changed after it was made.
struct PacketizedFrame {
  bool key = false;
  std::uint32_t rtp_time = 0;       // 90 kHz, of the capture; viewers add their own offset
  std::vector<std::byte> payloads;  // of all packets, one behind the other
  std::vector<std::uint32_t> ends;  // of each payload
};
using SharedPackets = std::shared_ptr<const PacketizedFrame>;

// Cuts up an access unit (Annex B). Small NAL units that follow each other, such as SPS and PPS,
// share a packet, but none ever waits for the next access unit.
[[nodiscard]] SharedPackets packetize(std::span<const std::byte> access_unit, bool key,
                                      std::uint64_t captured_us);

// One viewer's side of the packets.
struct RtpStream {
  std::uint8_t payload_type = 0;
  std::uint32_t ssrc = 0;
  std::uint16_t sequence = 0;  // of the next packet
  std::uint32_t time_offset = 0;
  std::uint8_t playout_delay_id = 0;  // 0: the viewer does not know that extension

  [[nodiscard]] std::size_t header_bytes() const noexcept {
    return kRtpHeaderBytes + (playout_delay_id != 0 ? kRtpExtensionBytes : 0);
  }
  // Writes header_bytes(); `last`: of its frame.
  void write_header(std::byte* to, std::uint32_t rtp_time, bool last) noexcept;
};

}  // namespace framering::webrtc
