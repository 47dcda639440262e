// SPDX-License-Identifier: Apache-2.0
#include "token.h"

#include <gtest/gtest.h>

#include "hmac.h"

namespace framering::websocket {
namespace {

constexpr std::string_view kSecret = "a secret of more than 16 bytes";
constexpr std::int64_t kNow = 1'700'000'000;

std::string signed_token(std::string_view header, std::string_view claims,
                         std::string_view secret = kSecret) {
  const std::string text = encode_base64url(header) + "." + encode_base64url(claims);
  return text + "." + encode_base64url(hmac_sha256(secret, text));
}

constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";

// Its second test case: 5bdcc146 bf60754e 6a042426 089575c7 5a003f08 9d273983 9dec58b9 64ec3843.
TEST(Token, hmac_is_that_of_rfc_4231) {
  const std::string digest = hmac_sha256("Jefe", "what do ya want for nothing?");
  EXPECT_EQ(encode_base64url(digest), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
}

// RFC 7515, appendix A.1: made by somebody else.
TEST(Token, accepts_the_example_of_rfc_7515_until_it_ends) {
  std::string secret;
  ASSERT_TRUE(decode_base64url(
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
      secret));
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_EQ(verify_token(token, secret, 1300819379), TokenVerdict::valid);
  EXPECT_EQ(verify_token(token, secret, 1300819380), TokenVerdict::expired);
  EXPECT_EQ(verify_token(token, "another secret, long enough", 1300819379),
            TokenVerdict::wrong_signature);
}

TEST(Token, what_it_makes_it_accepts) {
  EXPECT_EQ(verify_token(make_token(kSecret, kNow + 10), kSecret, kNow), TokenVerdict::valid);
}

TEST(Token, any_changed_letter_is_noticed) {
  const std::string token = make_token(kSecret, kNow + 10);
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(verify_token(changed, kSecret, kNow), TokenVerdict::valid) << at;
  }
}

TEST(Token, other_algorithms_are_refused_though_the_signature_is_right) {
  const std::string claims = R"({"exp":1800000000})";
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS512"})", R"({"alg":"hs256"})", "{}",
                             R"({"alg":["HS256"]})", R"({"alg":"HS256","crit":["exp"]})", "[]", ""})
    EXPECT_EQ(verify_token(signed_token(header, claims), kSecret, kNow), TokenVerdict::malformed)
        << header;
  EXPECT_EQ(verify_token(signed_token(kHeader, claims), kSecret, kNow), TokenVerdict::valid);
}

TEST(Token, an_end_is_required_and_a_beginning_respected) {
  const auto verdict = [](std::string_view claims) {
    return verify_token(signed_token(kHeader, claims), kSecret, kNow);
  };
  EXPECT_EQ(verdict(R"({"username":"admin"})"), TokenVerdict::malformed);
  EXPECT_EQ(verdict(R"({"exp":"1800000000"})"), TokenVerdict::malformed);
  EXPECT_EQ(verdict(R"({"exp":null})"), TokenVerdict::malformed);
  EXPECT_EQ(verdict(R"({"exp":1600000000})"), TokenVerdict::expired);
  EXPECT_EQ(verdict(R"({"exp":1800000000.5,"username":"admin"})"), TokenVerdict::valid);
  EXPECT_EQ(verdict(R"({"exp":1800000000,"nbf":1700000001})"), TokenVerdict::expired);
  EXPECT_EQ(verdict(R"({"exp":1800000000,"nbf":"soon"})"), TokenVerdict::malformed);
  EXPECT_EQ(verdict("not json"), TokenVerdict::malformed);
  EXPECT_EQ(verdict("\xFF\xFE"), TokenVerdict::malformed);
}

TEST(Token, what_is_no_token_is_refused) {
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"), std::string("...."),
        std::string(100'000, 'a'), "a.b." + encode_base64url(std::string(32, 'x'))})
    EXPECT_NE(verify_token(text, kSecret, kNow), TokenVerdict::valid) << text.substr(0, 20);
  EXPECT_NE(verify_token(make_token(kSecret, kNow + 10) + "=", kSecret, kNow), TokenVerdict::valid);
}

TEST(Token, is_found_in_the_header_and_in_both_cookies) {
  EXPECT_EQ(token_of_request("Bearer abc", ""), "abc");
  EXPECT_EQ(token_of_request("", "a=b; nano-kvm-token=abc; c=d"), "abc");
  EXPECT_EQ(token_of_request("", "framering-token=abc"), "abc");
  EXPECT_EQ(token_of_request("Basic abc", ""), "");
  EXPECT_EQ(token_of_request("", "xnano-kvm-token=abc; nano-kvm-tokenx=abc; nano-kvm-token"), "");
}

TEST(Token, base64_has_one_text_for_each_content) {
  std::string bytes;
  EXPECT_TRUE(decode_base64url("Zm8", bytes));
  EXPECT_EQ(bytes, "fo");
  for (const char* text : {"Zm9", "Zm8=", "Zm8 ", "Z", "Zm+/", "Zm8\n"}) {
    const bool refused = !decode_base64url(text, bytes) || encode_base64url(bytes) == text;
    EXPECT_TRUE(refused) << text;
  }
}

}  // namespace
}  // namespace framering::websocket
