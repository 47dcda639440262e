// SPDX-License-Identifier: Apache-2.0
#include "sdp.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <map>
#include <optional>

#include "sdp_lines.h"

namespace framering::webrtc {

namespace {

bool consists_of(std::string_view text, std::size_t least, std::size_t most,
                 std::string_view besides) {
  return text.size() >= least && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [besides](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                  besides.find(c) != std::string_view::npos;
         });
}

// From the section, else from the session, as RFC 8829 has it.
std::string required(const Lines& section, const Lines& session, std::string_view name) {
  std::optional<std::string_view> value = attribute(section, name);
  if (!value) value = attribute(session, name);
  if (!value) throw SdpError("the video section has no a=" + std::string(name));
  return std::string(*value);
}

// a=fmtp:PT key=value;key=value
std::map<std::string_view, std::string_view> parameters_of(std::string_view text) {
  std::map<std::string_view, std::string_view> parameters;
  for (std::string_view pair : words_of(text, ';')) {
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos)
      parameters.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return parameters;
}

struct Codec {
  std::string_view name;  // "H264/90000"
  std::map<std::string_view, std::string_view> parameters;
};

std::map<int, Codec> codecs_of(const Lines& lines) {
  std::map<int, Codec> codecs;
  for (const std::string_view line : lines) {
    const bool map = line.starts_with("a=rtpmap:");
    if (!map && !line.starts_with("a=fmtp:")) continue;
    const std::string_view rest = line.substr(line.find(':') + 1);
    const std::size_t space = std::min(rest.find(' '), rest.size());
    const std::optional<int> type = number_of(rest.substr(0, space), 127);
    if (!type || space == rest.size()) continue;
    if (map)
      codecs[*type].name = rest.substr(space + 1);
    else
      codecs[*type].parameters = parameters_of(rest.substr(space + 1));
  }
  return codecs;
}

bool is_codec(std::string_view name, std::string_view wanted) {
  return std::equal(name.begin(), name.end(), wanted.begin(), wanted.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  });
}

std::vector<H264Format> formats_of(const Lines& lines) {
  const std::map<int, Codec> codecs = codecs_of(lines);
  std::vector<H264Format> formats;
  const auto words = words_of(lines[0]);  // m=video PORT PROTOCOL TYPE..., in the order of liking
  for (std::size_t word = 3; word < words.size(); ++word) {
    const std::optional<int> type = number_of(words[word], 127);
    const auto codec = type ? codecs.find(*type) : codecs.end();
    if (codec == codecs.end() || !is_codec(codec->second.name, "H264/90000")) continue;
    const auto value = [&](std::string_view key) {
      const auto found = codec->second.parameters.find(key);
      return found == codec->second.parameters.end() ? std::string_view{} : found->second;
    };
    // Mode 1 has fragmentation units (RFC 6184, 6.2), and pictures do not fit packets without.
    if (value("packetization-mode") != "1") continue;
    std::string profile = lower(value("profile-level-id"));
    if (profile.empty()) profile = "42000a";  // RFC 6184, 8.1: Baseline, level 1
    if (!consists_of(profile, 6, 6, "") ||
        profile.find_first_not_of("0123456789abcdef") != profile.npos)
      continue;
    H264Format format{*type, 0, profile, value("level-asymmetry-allowed") == "1"};
    for (const auto& [rtx, other] : codecs) {
      const auto apt = other.parameters.find("apt");
      if (is_codec(other.name, "rtx/90000") && apt != other.parameters.end() &&
          number_of(apt->second, 127) == *type)
        format.rtx_payload_type = rtx;
    }
    formats.push_back(std::move(format));
  }
  return formats;
}

int extension_id(const Lines& lines, std::string_view uri) {
  for (const std::string_view line : lines) {
    if (!line.starts_with("a=extmap:")) continue;
    const auto words = words_of(line.substr(9));
    if (words.size() < 2 || words[1] != uri) continue;
    // With or without a direction; one-byte headers have 1..14 (RFC 8285, 4.2).
    const auto id = number_of(words[0].substr(0, words[0].find('/')), 14);
    return id.value_or(0);
  }
  return 0;
}

void add_candidates(const Lines& lines, std::vector<std::string>& candidates) {
  for (const std::string_view line : lines) {
    if (!line.starts_with("a=candidate:") || candidates.size() >= kMaxCandidates) continue;
    if (is_usable_candidate(line.substr(2))) candidates.emplace_back(line.substr(2));
  }
}

// Whether a section asks for video that can be sent to it; `why` if not.
bool is_for_us(const Lines& lines, std::string& why) {
  const auto words = words_of(lines[0].substr(2));
  if (words.size() < 4 || words[0] != "video") return false;
  if (words[1] == "0")
    why = "the video section is switched off (port 0)";
  else if (words[2] != "UDP/TLS/RTP/SAVPF")
    why = "the video section is not UDP/TLS/RTP/SAVPF";
  else if (attribute(lines, "sendonly") || attribute(lines, "inactive"))
    why = "the video section does not want to receive";
  else if (!attribute(lines, "rtcp-mux"))
    why = "the video section has no a=rtcp-mux";
  else if (formats_of(lines).empty())
    why = "the video section offers no H.264 with packetization-mode=1";
  else
    return true;
  return false;
}

void check(bool good, const char* name) {
  if (!good) throw SdpError("a=" + std::string(name) + " is not as it should be");
}

}  // namespace

Offer parse_offer(std::string_view sdp) {
  const std::vector<Lines> sections = sections_of(sdp);
  const Lines& session = sections[0];
  if (session.empty() || session[0] != "v=0")
    throw SdpError("no session description: it does not begin with v=0");
  Offer offer;
  std::string why = "there is no video section";
  const Lines* video = nullptr;
  for (std::size_t i = 1; i < sections.size(); ++i) {
    const Lines& lines = sections[i];
    offer.media_lines.emplace_back(lines[0].substr(2));
    offer.mids.emplace_back(attribute(lines, "mid").value_or(""));
    check(consists_of(offer.mids.back(), 0, 32, "!#$%&'*+-.^_`{|}~"), "mid");
    if (video == nullptr && is_for_us(lines, why)) {
      video = &lines;
      offer.video = i - 1;
    }
    // All sections share one transport (BUNDLE), and candidates stand in the first of them only.
    add_candidates(lines, offer.candidates);
  }
  if (video == nullptr) throw SdpError(why);
  check(!offer.mid().empty(), "mid");

  offer.ice_ufrag = required(*video, session, "ice-ufrag");
  offer.ice_pwd = required(*video, session, "ice-pwd");
  offer.fingerprint = required(*video, session, "fingerprint");
  offer.setup = required(*video, session, "setup");
  check(consists_of(offer.ice_ufrag, 4, 256, "+/"), "ice-ufrag");
  check(consists_of(offer.ice_pwd, 22, 256, "+/"), "ice-pwd");
  check(lower(offer.fingerprint).starts_with("sha-") &&
            consists_of(offer.fingerprint, 20, 256, "-: "),
        "fingerprint");
  check(offer.setup == "actpass" || offer.setup == "passive" || offer.setup == "active", "setup");
  offer.formats = formats_of(*video);
  offer.playout_delay_id = extension_id(*video, kPlayoutDelay);
  return offer;
}

SdpFragment parse_fragment(std::string_view sdp) {
  SdpFragment fragment;
  for (const Lines& lines : sections_of(sdp)) {
    if (const auto ufrag = attribute(lines, "ice-ufrag")) fragment.ice_ufrag = *ufrag;
    add_candidates(lines, fragment.candidates);
  }
  return fragment;
}

bool is_usable_candidate(std::string_view candidate) {
  // candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ TYPE ... (RFC 8839, 5.1)
  const auto words = words_of(candidate);
  if (words.size() < 8 || candidate.size() > 512 || !words[0].starts_with("candidate:") ||
      !consists_of(words[0].substr(10), 1, 32, "+/") || words[1] != "1" ||
      lower(words[2]) != "udp" || words[6] != "typ")
    return false;
  constexpr std::array<std::string_view, 4> kTypes = {"host", "srflx", "prflx", "relay"};
  if (std::find(kTypes.begin(), kTypes.end(), words[7]) == kTypes.end()) return false;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(words[4]), error);
  if (error || address.is_unspecified() || address.is_multicast()) return false;
  const std::optional<int> port = number_of(words[5], 65535);
  return port && *port != 0 && consists_of(words[3], 1, 10, "") && number_of(words[3], INT32_MAX);
}

}  // namespace framering::webrtc
