// SPDX-License-Identifier: Apache-2.0
#include "page_policy.h"

#include <gtest/gtest.h>

namespace framering::websocket {
namespace {

std::string connect_src(std::string_view host) {
  const std::string policy = content_security_policy(host);
  return policy.substr(policy.find("connect-src"));
}

TEST(PagePolicy, lets_the_page_ask_its_own_host_at_any_port) {
  EXPECT_EQ(connect_src("kvm.local:8080"),
            "connect-src 'self' http://kvm.local:* https://kvm.local:* ws://kvm.local:* "
            "wss://kvm.local:*");
  EXPECT_EQ(connect_src("192.0.2.1"),
            "connect-src 'self' http://192.0.2.1:* https://192.0.2.1:* ws://192.0.2.1:* "
            "wss://192.0.2.1:*");
}

TEST(PagePolicy, takes_nothing_from_a_host_header_that_is_no_name) {
  for (const char* host : {"", ":80", "[::1]:8080", "a; script-src *", "a b", "*", "a,b", "a\"b"})
    EXPECT_EQ(connect_src(host), "connect-src 'self' http: https: ws: wss:") << host;
}

TEST(PagePolicy, a_whep_address_is_one_of_this_host_with_a_stream_in_it) {
  for (const char* good : {":8889/{stream}/whep", "/whep/{stream}", ":1/{stream}"})
    EXPECT_TRUE(is_whep_address(good)) << good;
  for (const char* bad : {"", "{stream}", ":8889", ":8889/whep", ":/{stream}", ":port/{stream}",
                          ":123456/{stream}", "//evil.example/{stream}", ":80//{stream",
                          "http://evil.example/{stream}", "@evil.example/{stream}"})
    EXPECT_FALSE(is_whep_address(bad)) << bad;
}

}  // namespace
}  // namespace framering::websocket
