// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "packets.h"
#include "sdp.h"

namespace framering::webrtc {
namespace {

// What browsers send, cut to what matters: audio, then video that can be H.264 in three ways.
std::string browser_offer() {
  return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
         "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n"
         "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
         "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0\r\n"
         "a=candidate:2 1 udp 2113937151 0a1b.local 50001 typ host\r\n"
         "m=video 9 UDP/TLS/RTP/SAVPF 96 102 103 104 105 108\r\nc=IN IP4 0.0.0.0\r\n"
         "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
         "a=fingerprint:sha-256 00:11:22:33:44:55:66:77\r\na=setup:actpass\r\na=mid:1\r\n"
         "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
         "a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:102 H264/90000\r\n"
         "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001F\r\n"
         "a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:104 H264/90000\r\n"
         "a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f\r\n"
         "a=rtpmap:105 H264/90000\r\n"
         "a=fmtp:105 packetization-mode=1;profile-level-id=64001f\r\n"
         "a=rtpmap:108 H264/90000\r\na=fmtp:108 packetization-mode=1;profile-level-id=4d001f\r\n";
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& sdp) {
  try {
    static_cast<void>(parse_offer(sdp));
  } catch (const SdpError& error) {
    return error.what();
  }
  return "";
}

TEST(WebrtcSdp, ABrowsersOfferIsUnderstood) {
  const Offer offer = parse_offer(browser_offer());
  EXPECT_EQ(offer.video, 1u);
  EXPECT_EQ(offer.mid(), "1");
  EXPECT_EQ(offer.ice_ufrag, "abcd");
  EXPECT_EQ(offer.playout_delay_id, 5);
  ASSERT_EQ(offer.formats.size(), 3u);  // packetization-mode 0 cannot carry pictures
  EXPECT_EQ(offer.formats[0].payload_type, 102);
  EXPECT_EQ(offer.formats[0].rtx_payload_type, 103);
  EXPECT_EQ(offer.formats[0].profile_level_id, "42001f");
  EXPECT_EQ(offer.formats[1].rtx_payload_type, 0);
  // The candidates of the bundle, without the name that would have to be looked up.
  ASSERT_EQ(offer.candidates.size(), 1u);
  EXPECT_NE(offer.candidates[0].find("192.0.2.7"), std::string::npos);
}

TEST(WebrtcSdp, TheProfileOfTheStreamDecidesOnTheFormat) {
  const Offer offer = parse_offer(browser_offer());
  EXPECT_EQ(choose_format(offer, "42c01e").payload_type, 102);
  EXPECT_EQ(choose_format(offer, "4d4028").payload_type, 108);
  EXPECT_EQ(choose_format(offer, "640028").payload_type, 105);
  EXPECT_EQ(choose_format(offer, "").payload_type, 102);
  EXPECT_EQ(choose_format(offer, "f40028").payload_type, 102);  // nothing fits: the first
}

TEST(WebrtcSdp, WhatCannotBeServedIsRefusedWithAReason) {
  EXPECT_EQ(refusal(browser_offer()), "");
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("hello"), "");
  EXPECT_NE(refusal(std::string(70'000, 'v')), "");
  const auto refuses = [](const std::string& from, const std::string& to, const std::string& why) {
    EXPECT_NE(refusal(with(browser_offer(), from, to)).find(why), std::string::npos)
        << to << ": " << refusal(with(browser_offer(), from, to));
  };
  refuses("m=video", "m=application", "no video section");
  refuses("m=video 9", "m=video 0", "port 0");
  refuses("a=setup:actpass\r\n", "", "a=setup");
  refuses("a=setup:actpass", "a=setup:whatever", "a=setup");
  refuses("a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=ice-pwd:short", "a=ice-pwd");
  refuses("a=ice-ufrag:abcd", "a=ice-ufrag:ab\"d", "a=ice-ufrag");
  refuses("a=fingerprint:sha-256 00", "a=fingerprint:md5 00", "a=fingerprint");
  refuses("a=mid:1\r\n", "", "a=mid");
  refuses("a=rtcp-mux\r\na=rtpmap:96", "a=rtpmap:96", "rtcp-mux");
  refuses("a=recvonly\r\na=rtcp-mux\r\na=rtpmap:96", "a=sendonly\r\na=rtcp-mux\r\na=rtpmap:96",
          "does not want to receive");
  refuses("s=-", "s=\x01", "x=value");
  std::string many = browser_offer();
  for (int i = 0; i < 20; ++i) many += "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
  EXPECT_NE(refusal(many).find("sections"), std::string::npos);
}

TEST(WebrtcSdp, OnlyCandidatesThatAskNobodyAreUsed) {
  EXPECT_TRUE(is_usable_candidate("candidate:1 1 UDP 1 192.0.2.1 9 typ host"));
  EXPECT_TRUE(is_usable_candidate("candidate:1 1 udp 1 2001:db8::1 9 typ srflx raddr 0 rport 0"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 printer.local 9 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 2 udp 1 192.0.2.1 9 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 192.0.2.1 0 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 192.0.2.1 70000 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 224.0.0.1 9 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 0.0.0.0 9 typ host"));
  EXPECT_FALSE(is_usable_candidate("candidate:1 1 udp 1 192.0.2.1 9 typ strange"));
  EXPECT_FALSE(is_usable_candidate("candidate"));
}

// As webrtcbin 1.22 writes it: without the profile.
std::string webrtcbin_answer(const std::string& ssrc) {
  return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 1\r\n"
         "m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
         "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1\r\na=rtpmap:103 rtx/90000\r\n"
         "a=fmtp:103 apt=102\r\na=ssrc:" +
         ssrc + " cname:x\r\na=sendonly\r\n";
}

TEST(WebrtcSdp, TheAnswerHasTheProfileTheCandidatesAndTheRefusedSections) {
  const Offer offer = parse_offer(browser_offer());
  const H264Format& format = choose_format(offer, "42c01e");
  const std::string answer = full_answer(offer, format, webrtcbin_answer("7"),
                                         {"candidate:1 1 UDP 1 192.0.2.9 9 typ host"});
  EXPECT_NE(answer.find("m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"), std::string::npos);
  EXPECT_LT(answer.find("m=audio"), answer.find("m=video"));
  EXPECT_NE(answer.find("a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;"
                        "profile-level-id=42001f\r\n"),
            std::string::npos);
  EXPECT_EQ(answer.find("a=fmtp:102 packetization-mode=1\r\n"), std::string::npos);
  EXPECT_NE(answer.find("a=fmtp:103 apt=102\r\n"), std::string::npos);
  EXPECT_NE(answer.find("a=extmap:5 http"), std::string::npos);
  EXPECT_NE(answer.find("a=candidate:1 1 UDP 1 192.0.2.9"), std::string::npos);
  EXPECT_NE(answer.find("a=group:BUNDLE 1\r\n"), std::string::npos);
}

TEST(WebrtcSdp, AnAnswerWithoutAnSsrcIsNotHandedOut) {
  const Offer offer = parse_offer(browser_offer());
  EXPECT_THROW(static_cast<void>(full_answer(offer, offer.formats[0], webrtcbin_answer("0"), {})),
               SdpError);
  EXPECT_THROW(
      static_cast<void>(full_answer(offer, offer.formats[0],
                                    with(webrtcbin_answer("7"), "a=ssrc:7 cname:x\r\n", ""), {})),
      SdpError);
}

TEST(WebrtcSdp, APlainOfferIsItselfAnOfferAndSaysTheSame) {
  const Offer offer = parse_offer(browser_offer());
  const Offer plain = parse_offer(plain_offer(offer, offer.formats[0]));
  EXPECT_EQ(plain.ice_pwd, offer.ice_pwd);
  EXPECT_EQ(plain.candidates, offer.candidates);
  ASSERT_EQ(plain.formats.size(), 1u);
  EXPECT_EQ(plain.formats[0].payload_type, 102);
  EXPECT_EQ(plain.formats[0].rtx_payload_type, 103);
}

// ---- packets
// -------------------------------------------------------------------------------------

void add_nal(std::vector<std::byte>& to, unsigned head, std::size_t bytes) {
  for (const unsigned byte : {0u, 0u, 0u, 1u, head}) to.push_back(static_cast<std::byte>(byte));
  for (std::size_t i = 1; i < bytes; ++i) to.push_back(static_cast<std::byte>(i % 251 + 1));
}

std::vector<std::span<const std::byte>> payloads_of(const PacketizedFrame& frame) {
  std::vector<std::span<const std::byte>> payloads;
  std::size_t from = 0;
  for (const std::uint32_t end : frame.ends) {
    payloads.push_back(std::span(frame.payloads).subspan(from, end - from));
    from = end;
  }
  return payloads;
}

unsigned at(std::span<const std::byte> bytes, std::size_t index) {
  return std::to_integer<unsigned>(bytes[index]);
}

TEST(WebrtcPackets, AKeyFrameIsParameterSetsInOnePacketThenFragments) {
  std::vector<std::byte> access_unit;
  add_nal(access_unit, 0x09, 2);   // access unit delimiter: left out
  add_nal(access_unit, 0x67, 20);  // SPS
  add_nal(access_unit, 0x68, 6);   // PPS
  add_nal(access_unit, 0x65, 5000);
  const SharedPackets frame = packetize(access_unit, true, 2'000'000);
  EXPECT_EQ(frame->rtp_time, 180'000u);
  const auto payloads = payloads_of(*frame);
  ASSERT_EQ(payloads.size(), 1u + 5u);
  EXPECT_EQ(at(payloads[0], 0), 0x60u | 24u);  // STAP-A with the importance of its parts
  EXPECT_EQ(at(payloads[0], 2), 20u);
  EXPECT_EQ(payloads[0].size(), 1u + 2 + 20 + 2 + 6);
  std::size_t bytes = 1;
  for (std::size_t i = 1; i < payloads.size(); ++i) {
    EXPECT_LE(payloads[i].size(), kMaxPayloadBytes);
    EXPECT_EQ(at(payloads[i], 0), 0x60u | 28u);  // FU-A
    EXPECT_EQ(at(payloads[i], 1), 5u | (i == 1 ? 0x80u : 0u) | (i == 5 ? 0x40u : 0u));
    bytes += payloads[i].size() - 2;
  }
  EXPECT_EQ(bytes, 5000u);
}

TEST(WebrtcPackets, ASmallPictureIsOnePacketAsItIs) {
  std::vector<std::byte> access_unit;
  add_nal(access_unit, 0x41, 300);
  const SharedPackets frame = packetize(access_unit, false, 0);
  ASSERT_EQ(frame->ends.size(), 1u);
  EXPECT_EQ(frame->payloads.size(), 300u);
  EXPECT_EQ(at(frame->payloads, 0), 0x41u);
}

TEST(WebrtcPackets, NothingComesOfNothing) {
  EXPECT_TRUE(packetize({}, false, 0)->ends.empty());
  const std::vector<std::byte> zeros(100);
  EXPECT_TRUE(packetize(zeros, false, 0)->ends.empty());
}

TEST(WebrtcPackets, HeadersCountUpAndCarryTheDelayExtension) {
  RtpStream stream{.payload_type = 102,
                   .ssrc = 0x01020304,
                   .sequence = 0xffff,
                   .time_offset = 1,
                   .playout_delay_id = 5};
  std::vector<std::byte> header(stream.header_bytes());
  ASSERT_EQ(header.size(), 20u);
  stream.write_header(header.data(), 0xffffffff, true);
  const std::vector<unsigned> wanted = {0x90, 0x80 | 102, 0xff, 0xff, 0, 0, 0,    0, 1, 2,
                                        3,    4,          0xbe, 0xde, 0, 1, 0x52, 0, 0, 0};
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(at(header, i), wanted[i]) << i;
  EXPECT_EQ(stream.sequence, 0);
  stream.playout_delay_id = 0;
  EXPECT_EQ(stream.header_bytes(), 12u);
  stream.write_header(header.data(), 0, false);
  EXPECT_EQ(at(header, 0), 0x80u);
  EXPECT_EQ(at(header, 1), 102u);
}

}  // namespace
}  // namespace framering::webrtc
