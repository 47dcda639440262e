// SPDX-License-Identifier: Apache-2.0
//
// The descriptions that are written here: to webrtcbin, to a viewer, to a WHIP server.
#include <algorithm>
#include <string>

#include "sdp.h"
#include "sdp_lines.h"

namespace framering::webrtc {

namespace {

// RFC 6184, 8.1.
std::string parameter_line(const H264Format& format) {
  return "a=fmtp:" + std::to_string(format.payload_type) + " " +
         (format.level_asymmetry ? "level-asymmetry-allowed=1;" : "") +
         "packetization-mode=1;profile-level-id=" + format.profile_level_id + "\r\n";
}

// webrtcbin's description of the video, with what it leaves out.
void append_video(std::string& sdp, const Lines& lines, const H264Format& format,
                  const std::vector<std::string>& candidates) {
  const std::string type = std::to_string(format.payload_type) + " ";
  for (const std::string_view line : lines) {
    if (line.starts_with("a=candidate:") || line == "a=end-of-candidates" ||
        line.starts_with("a=fmtp:" + type))
      continue;
    sdp.append(line).append("\r\n");
    if (line.starts_with("a=rtpmap:" + type)) sdp += parameter_line(format);
  }
  for (const std::string& candidate : candidates) sdp += "a=" + candidate + "\r\n";
  sdp += "a=end-of-candidates\r\n";
}

}  // namespace

const H264Format& choose_format(const Offer& offer, std::string_view stream_profile) {
  // profile_idc: constrained baseline and baseline are 42, main 4d, high 64. Whoever decodes one,
  // decodes those before it.
  const std::string profile = stream_profile.empty() ? "42" : lower(stream_profile.substr(0, 2));
  const auto find = [&](auto fits) {
    return std::find_if(offer.formats.begin(), offer.formats.end(), fits);
  };
  for (const std::string& wanted : {profile, std::string("4d"), std::string("64")}) {
    if (wanted < profile) continue;
    const auto found =
        find([&](const H264Format& format) { return format.profile_level_id.starts_with(wanted); });
    if (found != offer.formats.end()) return *found;
  }
  return offer.formats.front();
}

std::string plain_offer(const Offer& offer, const H264Format& format) {
  const std::string type = std::to_string(format.payload_type);
  const std::string rtx = std::to_string(format.rtx_payload_type);
  const bool has_rtx = format.rtx_payload_type != 0;
  std::string sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE " +
                    offer.mid() + "\r\nm=video 9 UDP/TLS/RTP/SAVPF " + type +
                    (has_rtx ? " " + rtx : "") + "\r\nc=IN IP4 0.0.0.0\r\n";
  sdp += "a=ice-ufrag:" + offer.ice_ufrag + "\r\na=ice-pwd:" + offer.ice_pwd +
         "\r\na=ice-options:trickle\r\n";
  // So that webrtcbin answers with "passive": as a DTLS client, OpenSSL 3 refuses whoever does not
  // know of secure renegotiation (RFC 5746), which libraries without any renegotiation do not.
  const std::string setup = offer.setup == "actpass" ? "active" : offer.setup;
  sdp += "a=fingerprint:" + offer.fingerprint + "\r\na=setup:" + setup + "\r\n";
  sdp += "a=mid:" + offer.mid() + "\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n";
  sdp += "a=rtpmap:" + type + " H264/90000\r\n" + parameter_line(format);
  for (const char* feedback : {"nack", "nack pli", "ccm fir"})
    sdp += "a=rtcp-fb:" + type + " " + feedback + "\r\n";
  if (has_rtx) sdp += "a=rtpmap:" + rtx + " rtx/90000\r\na=fmtp:" + rtx + " apt=" + type + "\r\n";
  for (const std::string& candidate : offer.candidates) sdp += "a=" + candidate + "\r\n";
  return sdp;
}

std::string full_answer(const Offer& offer, const H264Format& format, std::string_view answer,
                        const std::vector<std::string>& candidates) {
  const std::vector<Lines> sections = sections_of(answer);
  if (sections.size() != 2 || sections[1][0].starts_with("m=video 0 "))
    throw SdpError("the offer and this server have no H.264 in common");
  const std::optional<std::string_view> ssrc = attribute(sections[1], "ssrc");
  if (!ssrc || ssrc->starts_with("0 ")) throw SdpError("the answer names no SSRC");

  std::string sdp;
  for (const std::string_view line : sections[0]) {
    if (!line.starts_with("a=group:")) sdp.append(line).append("\r\n");
  }
  sdp += "a=group:BUNDLE " + offer.mid() + "\r\n";
  for (std::size_t i = 0; i < offer.media_lines.size(); ++i) {
    if (i == offer.video) {
      append_video(sdp, sections[1], format, candidates);
      if (offer.playout_delay_id != 0)
        sdp += "a=extmap:" + std::to_string(offer.playout_delay_id) + " " +
               std::string(kPlayoutDelay) + "\r\n";
      continue;
    }
    // Refused: port 0, all else as offered (RFC 3264, section 6).
    const auto words = words_of(offer.media_lines[i]);
    sdp += "m=" + std::string(words.empty() ? "audio" : words[0]) + " 0";
    for (std::size_t word = 2; word < words.size(); ++word) sdp.append(" ").append(words[word]);
    sdp += "\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n";
    if (!offer.mids[i].empty()) sdp += "a=mid:" + offer.mids[i] + "\r\n";
  }
  return sdp;
}

std::string full_offer(std::string_view offer, const H264Format& format,
                       const std::vector<std::string>& candidates) {
  const std::vector<Lines> sections = sections_of(offer);
  if (sections.size() != 2) throw SdpError("webrtcbin offers something else than one video");
  std::string sdp;
  for (const std::string_view line : sections[0]) sdp.append(line).append("\r\n");
  append_video(sdp, sections[1], format, candidates);
  return sdp;
}

}  // namespace framering::webrtc
