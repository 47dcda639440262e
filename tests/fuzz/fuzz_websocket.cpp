// SPDX-License-Identifier: Apache-2.0
//
// What anybody on the network can send to framering-websocket: addresses, headers, tokens,
// messages; and what a producer can make it put into a file.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "access_policy.h"
#include "annex_b.h"
#include "direct_message.h"
#include "fragmenter.h"
#include "fuzz_input.h"
#include "request_target.h"
#include "ring_layout.h"
#ifdef FRAMERING_TLS
#include "hmac.h"
#include "token.h"
#endif

using namespace framering;
using namespace framering::fuzz;
using namespace framering::websocket;

namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void ask(std::span<const std::byte> bytes) {
  const std::string_view text = text_of(bytes);
  if (const auto target = parse_request_target(text)) {
    demand(target->path.starts_with('/'), "a path begins with a slash");
    for (const auto& [key, value] : target->queries)
      demand(key.size() + value.size() <= text.size(), "a query is no longer than the address");
  }
  static_cast<void>(parse_number(text));
  const std::size_t half = text.size() / 2;
  const std::string_view host = text.substr(0, half), origin = text.substr(half);
  if (!origin.empty() && same_origin(origin, host))
    demand(origin.ends_with(host) || origin.size() >= host.size(), "the origin names the host");
  static const AccessPolicy policy({.token_secret = {}, .origins = {}, .hosts = {}});
  static_cast<void>(
      policy.judge({.host = host, .origin = origin, .authorization = {}, .cookies = {}}, true, 0));
}

void present_token(std::span<const std::byte> bytes) {
#ifdef FRAMERING_TLS
  const std::string_view text = text_of(bytes);
  constexpr std::string_view kSecret = "0123456789abcdef";
  demand(verify_token(text, kSecret, 0) != TokenVerdict::valid, "nobody guesses a signature");
  demand(token_of_request(text, text).size() <= text.size(), "a token is a part of the header");
  std::string decoded;
  if (decode_base64url(text, decoded))
    demand(encode_base64url(decoded) == text, "one text for each content");
  // The parsers behind the signature as well.
  const std::string claims = encode_base64url(text);
  const std::string head = encode_base64url(R"({"alg":"HS256"})") + "." + claims;
  const std::string signed_text = head + "." + encode_base64url(hmac_sha256(kSecret, head));
  static_cast<void>(verify_token(signed_text, kSecret, 0));
#else
  static_cast<void>(bytes);
#endif
}

void package(FuzzInput& input) {
  Fragmenter fragmenter;
  std::uint64_t media_time = 0;
  for (int frames = 0; frames < 8 && !input.empty(); ++frames) {
    EncodedFrame frame;
    frame.codec = kCodecH264;
    frame.key = (input.take<std::uint8_t>() & 1) != 0;
    frame.timestamp_us = input.take<std::uint64_t>();
    frame.width = input.take<std::uint32_t>();
    frame.height = input.take<std::uint32_t>();
    const auto bytes = input.take_bytes(input.take<std::uint8_t>());
    frame.bytes.assign(bytes.begin(), bytes.end());
    NalSpan at;
    for (std::size_t from = 0; next_nal(bytes, from, at); from = at.end) {
      demand(at.begin >= from && at.nal < at.end && at.end <= bytes.size(),
             "a NAL unit lies inside the buffer and further on");
    }
    const SharedFrame fragment = fragmenter.fragment(frame);
    if (fragment == nullptr) continue;
    demand(fragment->init != nullptr, "a fragment has an initialisation segment");
    demand(fragment->media_time_us >= media_time, "media time does not go back");
    media_time = fragment->media_time_us;
    touch(fragment->bytes);
  }
}

}  // namespace

std::vector<Seed> framering::fuzz::seeds() {
  // A key frame of H.264 with its parameter sets, then one that needs it.
  const std::string key("\0\0\0\1\x67\x42\xC0\x1E\xDA\0\0\1\x68\xCE\x3C\x80\0\0\1\x65\x88\x84", 22);
  return {seed_of(0, std::string("\2\1\0\0\0\0\0\0\0", 9)),
          seed_of(0, "\4"),
          seed_of(1, "/api/stream/mp4?flow=8&stream=hdmi%2Fh264&key=a+b"),
          seed_of(1, "localhost:8080http://localhost:8080"),
          seed_of(2, "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln"),
          seed_of(2, R"({"exp":1800000000,"nbf":1.5})"),
          seed_of(3, "\1" + std::string(16, '\0') + '\x16' + key)};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  switch (input.take<std::uint8_t>() % 4) {
    case 0: {
      const auto bytes = input.take_bytes(size);
      const ClientMessage message = parse_client_message(bytes);
      demand(message.kind == ClientMessage::Kind::unknown || bytes.size() <= 9, "a short message");
      break;
    }
    case 1:
      ask(input.take_bytes(size));
      break;
    case 2:
      present_token(input.take_bytes(size));
      break;
    default:
      package(input);
      break;
  }
  return 0;
}
