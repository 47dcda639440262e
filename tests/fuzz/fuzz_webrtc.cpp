// SPDX-License-Identifier: Apache-2.0
//
// What anybody who reaches framering-webrtc can POST or PATCH, and what a producer can make it cut
// into packets.
#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz_input.h"
#include "packets.h"
#include "sdp.h"

using namespace framering;
using namespace framering::fuzz;
using namespace framering::webrtc;

namespace {

constexpr std::string_view kOffer =
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 102 103 105\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 00:11:22:33:44:55:66:77\r\n"
    "a=setup:actpass\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n"
    "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
    "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=42001f\r\n"
    "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:105 H264/90000\r\n"
    "a=fmtp:105 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n"
    "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0\r\n";
constexpr std::string_view kAnswer =
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\n"
    "a=mid:1\r\na=rtpmap:102 H264/90000\r\na=ssrc:7 cname:x\r\na=sendonly\r\n";

void post(std::string_view text) {
  try {
    const Offer offer = parse_offer(text);
    demand(offer.video < offer.media_lines.size() && !offer.formats.empty(), "there is a video");
    demand(offer.candidates.size() <= kMaxCandidates, "candidates are counted");
    for (const std::string_view profile : {"42c01e", "640028", ""}) {
      const H264Format& format = choose_format(offer, profile);
      // What webrtcbin is given says the same to us: nothing slips in between the lines.
      const Offer plain = parse_offer(plain_offer(offer, format));
      demand(plain.ice_ufrag == offer.ice_ufrag && plain.ice_pwd == offer.ice_pwd &&
                 plain.fingerprint == offer.fingerprint && plain.candidates == offer.candidates,
             "the plain offer is the offer");
      demand(plain.media_lines.size() == 1 && plain.formats.size() == 1 &&
                 plain.formats[0].payload_type == format.payload_type,
             "the plain offer has one section with one format");
      const std::string answer = full_answer(offer, format, kAnswer, {});
      demand(answer.find("\r\nm=video 9 ") != std::string::npos, "the answer has the video");
    }
  } catch (const SdpError& error) {
    demand(*error.what() != '\0', "a refusal has a reason");
  }
}

void patch(std::string_view text) {
  try {
    const SdpFragment fragment = parse_fragment(text);
    for (const std::string& candidate : fragment.candidates)
      demand(candidate.find_first_of("\r\n") == std::string::npos && is_usable_candidate(candidate),
             "a candidate is one line");
  } catch (const SdpError&) {
    return;  // refused
  }
}

void cut(std::span<const std::byte> access_unit) {
  const SharedPackets frame = packetize(access_unit, true, 1);
  std::uint32_t from = 0;
  for (const std::uint32_t end : frame->ends) {
    demand(end > from && end - from <= kMaxPayloadBytes, "a payload fits a packet");
    from = end;
  }
  demand(from == frame->payloads.size(), "payloads lie one behind the other");
  demand(from <= 2 * access_unit.size() + 1, "little is added");
  touch(frame->payloads);
}

}  // namespace

std::vector<Seed> framering::fuzz::seeds() {
  Seed access_unit{2, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65};
  access_unit.resize(3000, 7);
  return {seed_of(0, kOffer),
          seed_of(1,
                  "a=ice-ufrag:abcd\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\n"
                  "a=candidate:1 1 udp 1 192.0.2.7 50000 typ host\r\n"),
          access_unit};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto kind = input.take<std::uint8_t>();
  const auto bytes = input.take_bytes(size);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (kind % 3) {
    case 0:
      post(text);
      break;
    case 1:
      patch(text);
      break;
    default:
      cut(bytes);
  }
  return 0;
}
