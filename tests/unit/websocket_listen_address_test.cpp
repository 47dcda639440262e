// SPDX-License-Identifier: Apache-2.0
#include "listen_address.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace framering::websocket {
namespace {

TEST(ListenAddress, reads_both_kinds_of_address) {
  EXPECT_EQ(url_of(parse_listen_address("127.0.0.1:8080")), "http://127.0.0.1:8080/");
  EXPECT_EQ(url_of(parse_listen_address("[::1]:0")), "http://[::1]:0/");
  EXPECT_EQ(url_of(parse_listen_address("localhost:65535")), "http://127.0.0.1:65535/");
}

TEST(ListenAddress, names_what_is_wrong) {
  for (const char* bad : {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                          "::1:80", "[127.0.0.1]:80", ":80", "camera.lan:80", "[]:80"}) {
    try {
      static_cast<void>(parse_listen_address(bad));
      FAIL() << bad << " was taken";
    } catch (const std::invalid_argument& error) {
      EXPECT_NE(std::string(error.what()).find("ADDR:PORT"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace framering::websocket
