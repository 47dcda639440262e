// SPDX-License-Identifier: Apache-2.0
//
// Session descriptions of strangers (RFC 8866, as WebRTC uses it: RFC 8829). webrtcbin never sees
// what a viewer sent: only a short offer that is written here anew from the few values it takes,
// each of which was checked. Nor does the viewer see webrtcbin's answer as it is: the sections that
// are not served go back into their places, refused.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace framering::webrtc {

inline constexpr std::size_t kMaxSdpBytes = 64 << 10;
inline constexpr std::size_t kMaxSections = 16;
inline constexpr std::size_t kMaxCandidates = 32;
inline constexpr std::string_view kPlayoutDelay =
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

// What is wrong with a description, as a sentence for its sender.
struct SdpError : std::runtime_error {
  using runtime_error::runtime_error;
};

// One way in which a viewer takes H.264: payload types, and the profile it can decode.
struct H264Format {
  int payload_type = 0;
  int rtx_payload_type = 0;      // 0: lost packets cannot be sent again
  std::string profile_level_id;  // 6 hex digits, lower case
  bool level_asymmetry = false;
};

struct Offer {
  std::vector<std::string> media_lines;  // of all sections, without "m="
  std::vector<std::string> mids;         // of all sections; empty: has none
  std::size_t video = 0;                 // the section that is served
  std::string ice_ufrag, ice_pwd, fingerprint, setup;
  std::vector<std::string> candidates;  // "candidate:...": UDP, literal addresses
  std::vector<H264Format> formats;      // not empty
  int playout_delay_id = 0;             // of the RTP header extension; 0: not offered

  [[nodiscard]] const std::string& mid() const { return mids[video]; }
};

// Throws SdpError.
[[nodiscard]] Offer parse_offer(std::string_view sdp);

// The format for a stream of this profile ("42c01e"; empty: not known): the same profile, else one
// that contains it, else the first.
[[nodiscard]] const H264Format& choose_format(const Offer& offer, std::string_view stream_profile);

// What webrtcbin is given in the place of the viewer's offer.
[[nodiscard]] std::string plain_offer(const Offer& offer, const H264Format& format);
// What the viewer is given in the place of webrtcbin's answer to plain_offer, which names no
// profile. Throws SdpError if that refuses the video or names no SSRC (with SSRC 0 browsers count
// frames and stay black).
[[nodiscard]] std::string full_answer(const Offer& offer, const H264Format& format,
                                      std::string_view answer,
                                      const std::vector<std::string>& candidates);

// What a WHIP server is given in the place of webrtcbin's offer: the same with these candidates,
// and with the line a=fmtp, which webrtcbin leaves out and servers choose by.
[[nodiscard]] std::string full_offer(std::string_view offer, const H264Format& format,
                                     const std::vector<std::string>& candidates);

// A PATCH of application/trickle-ice-sdpfrag (RFC 8840): more candidates of the same ICE session.
struct SdpFragment {
  std::string ice_ufrag;  // empty: not named
  std::vector<std::string> candidates;
};
[[nodiscard]] SdpFragment parse_fragment(std::string_view sdp);

// "candidate:..." that can be given to an ICE agent: component 1, UDP, literal address. A name
// would have to be looked up, which a stranger must not make this host do.
[[nodiscard]] bool is_usable_candidate(std::string_view candidate);

}  // namespace framering::webrtc
