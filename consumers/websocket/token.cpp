// SPDX-License-Identifier: Apache-2.0
#include "token.h"

#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "hmac.h"

namespace framering::websocket {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::array<std::string_view, 2> kCookies = {"framering-token", "nano-kvm-token"};

Json object_of(std::string_view base64) {
  std::string text;
  if (!decode_base64url(base64, text)) return {};
  Json json = Json::parse(text, nullptr, false);
  return json.is_object() ? json : Json{};
}

// `exp` and `nbf` may have a fraction (RFC 7519, section 2, NumericDate).
bool number_of(const Json& object, const char* key, double& number) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return false;
  number = found->get<double>();
  return true;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

TokenVerdict verify_token(std::string_view token, std::string_view secret, std::int64_t now_s) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  if (token.size() > kMaxTokenBytes || first == std::string_view::npos || first == second)
    return TokenVerdict::malformed;
  // The signature before anything else: what is not ours is not parsed.
  std::string signature;
  if (!decode_base64url(token.substr(second + 1), signature)) return TokenVerdict::malformed;
  if (!is_hmac_sha256(secret, token.substr(0, second), signature))
    return TokenVerdict::wrong_signature;

  // Without this, a token of another kind that the same secret signed would do.
  const Json header = object_of(token.substr(0, first));
  const auto algorithm = header.find("alg");
  if (algorithm == header.end() || *algorithm != "HS256" || header.contains("crit"))
    return TokenVerdict::malformed;
  const Json claims = object_of(token.substr(first + 1, second - first - 1));
  double expires = 0, not_before = 0;
  if (!number_of(claims, "exp", expires)) return TokenVerdict::malformed;
  if (claims.contains("nbf") && !number_of(claims, "nbf", not_before))
    return TokenVerdict::malformed;
  const auto now = static_cast<double>(now_s);
  return now < expires && now >= not_before ? TokenVerdict::valid : TokenVerdict::expired;
}

std::string read_secret(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string secret{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) throw std::invalid_argument("cannot read " + path);
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.size() < kMinSecretBytes)
    throw std::invalid_argument(
        path + " has a secret of " + std::to_string(secret.size()) +
        " bytes, and 16 are the least; make one with: openssl rand -hex 32");
  return secret;
}

std::string make_token(std::string_view secret, std::int64_t expires_s) {
  std::string token = encode_base64url(R"({"alg":"HS256","typ":"JWT"})") + "." +
                      encode_base64url(Json{{"exp", expires_s}}.dump());
  return token + "." + encode_base64url(hmac_sha256(secret, token));
}

std::string_view token_of_request(std::string_view authorization,
                                  std::string_view cookies) noexcept {
  constexpr std::string_view kBearer = "Bearer ";
  if (authorization.starts_with(kBearer)) return trimmed(authorization.substr(kBearer.size()));
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    const std::string_view pair = trimmed(cookies.substr(0, end));
    cookies = end == std::string_view::npos ? std::string_view{} : cookies.substr(end + 1);
    for (const std::string_view name : kCookies) {
      if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=')
        return pair.substr(name.size() + 1);
    }
  }
  return {};
}

std::string encode_base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count != 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

bool decode_base64url(std::string_view text, std::string& bytes) {
  bytes.clear();
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char letter : text) {
    const std::size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 255));
    }
  }
  // Left over: fewer than 6 bits, all of them 0; else two texts would mean the same.
  return count < 6 && (bits & ((1U << count) - 1)) == 0;
}

}  // namespace framering::websocket
