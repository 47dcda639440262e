// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "access_policy.h"

namespace framering::websocket {
namespace {

using boost::asio::ip::make_address;

TEST(Admission, one_address_cannot_take_all_places) {
  Admission admission({.connections = 4, .connections_per_address = 2, .requests_per_second = 1});
  std::vector<ConnectionTicket> tickets;
  Refusal why{};
  for (int n = 0; n < 2; ++n) {
    auto ticket = admission.take(make_address("192.0.2.1"), why);
    ASSERT_TRUE(ticket);
    tickets.push_back(std::move(*ticket));
  }
  EXPECT_FALSE(admission.take(make_address("192.0.2.1"), why));
  EXPECT_EQ(why, Refusal::address_full);
  EXPECT_FALSE(admission.take(make_address("::ffff:192.0.2.1"), why));  // the same one
  for (int n = 0; n < 2; ++n) {
    auto ticket = admission.take(make_address("192.0.2.2"), why);
    ASSERT_TRUE(ticket);
    tickets.push_back(std::move(*ticket));
  }
  EXPECT_FALSE(admission.take(make_address("192.0.2.3"), why));
  EXPECT_EQ(why, Refusal::full);
  EXPECT_TRUE(admission.full());
  tickets.clear();
  EXPECT_EQ(admission.open(), 0u);
  EXPECT_EQ(admission.addresses(), 0u);
  EXPECT_TRUE(admission.take(make_address("192.0.2.1"), why));
}

TEST(Admission, ipv6_is_counted_by_the_subscribers_network) {
  EXPECT_EQ(household_of(make_address("2001:db8:1:2:3:4:5:6")),
            household_of(make_address("2001:db8:1:2::1")));
  EXPECT_NE(household_of(make_address("2001:db8:1:3::1")),
            household_of(make_address("2001:db8:1:2::1")));
}

TEST(Admission, an_address_that_asks_too_often_waits_until_time_has_given_back) {
  Admission admission({.connections = 4, .connections_per_address = 2, .requests_per_second = 10});
  Refusal why{};
  const auto ticket = admission.take(make_address("192.0.2.1"), why);
  ASSERT_TRUE(ticket);
  const auto other = admission.take(make_address("192.0.2.2"), why);
  ASSERT_TRUE(other);
  const Admission::Clock::time_point now = Admission::Clock::now();
  int allowed = 0;
  while (allowed < 1000 && admission.may_ask(*ticket, now)) ++allowed;
  EXPECT_EQ(allowed, 40);
  EXPECT_TRUE(admission.may_ask(*other, now));
  EXPECT_FALSE(admission.may_ask(*ticket, now + std::chrono::milliseconds(50)));
  EXPECT_TRUE(admission.may_ask(*ticket, now + std::chrono::milliseconds(151)));
}

TEST(Admission, remembers_no_more_addresses_than_it_has_room_for) {
  Admission admission({.connections = 4, .connections_per_address = 2, .requests_per_second = 1});
  Refusal why{};
  for (unsigned n = 0; n < 3 * Admission::kMaxAddresses; ++n) {
    const auto ticket = admission.take(boost::asio::ip::address_v4(0x0A000000 + n), why);
    ASSERT_TRUE(ticket);
    ASSERT_TRUE(admission.may_ask(*ticket, Admission::Clock::now()));
  }
  EXPECT_LE(admission.addresses(), Admission::kMaxAddresses);
}

Credentials from(std::string_view host, std::string_view origin = {}) {
  return {.host = host, .origin = origin, .authorization = {}, .cookies = {}};
}

TEST(AccessPolicy, without_tokens_only_names_of_this_server_are_answered) {
  const AccessPolicy policy({.token_secret = {}, .origins = {}, .hosts = {"KVM.example"}});
  for (const char* host : {"127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:1",
                           "a.localhost", "kvm.example:8080", "192.0.2.7"})
    EXPECT_FALSE(policy.judge(from(host), false, 0)) << host;
  for (const char* host : {"evil.example", "kvm.example.evil.example", "localhost.evil.example",
                           "127.0.0.1.evil.example", "[", "]:", "127.0.0.1@evil.example"})
    EXPECT_EQ(policy.judge(from(host), false, 0), Refusal::unknown_host) << host;
}

TEST(AccessPolicy, a_page_of_another_site_may_not_open_a_websocket_unless_it_is_named) {
  const AccessPolicy policy({.token_secret = {}, .origins = {"https://Home.example"}, .hosts = {}});
  EXPECT_FALSE(policy.judge(from("127.0.0.1:80", "http://127.0.0.1:80"), true, 0));
  EXPECT_FALSE(policy.judge(from("127.0.0.1:80"), true, 0));  // a program
  EXPECT_FALSE(policy.judge(from("127.0.0.1:80", "https://home.example"), true, 0));
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1:81",
                             "https://home.example.evil", "file://", "://127.0.0.1:80x"})
    EXPECT_EQ(policy.judge(from("127.0.0.1:80", origin), true, 0), Refusal::foreign_origin)
        << origin;
}

}  // namespace
}  // namespace framering::websocket
