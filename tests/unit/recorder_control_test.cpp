// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "control_server.h"

namespace framering::recorder {
namespace {

class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest()
      : server_([](std::string_view method, std::string_view path, Entrance) {
          return Reply{200, std::string(method) + " " + std::string(path)};
        }),
        address_(server_.listen_http("127.0.0.1:0")) {
    server_.start();
  }

  // What comes back for those bytes; empty: the connection was closed.
  [[nodiscard]] std::string ask(const std::string& bytes) const {
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address_.substr(10))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    EXPECT_GE(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
    std::string reply;
    std::array<char, 1024> part;
    ssize_t count = 0;
    while ((count = ::recv(socket.get(), part.data(), part.size(), 0)) > 0) {
      reply.append(part.data(), static_cast<std::size_t>(count));
    }
    return reply;
  }

  ControlServer server_;
  const std::string address_;
};

TEST_F(ControlServerTest, answers_a_request_and_says_how_long_the_answer_is) {
  const std::string reply = ask("GET /status HTTP/1.1\r\nHost: localhost:8090\r\n\r\n");
  EXPECT_TRUE(reply.starts_with("HTTP/1.1 200 OK\r\n")) << reply;
  EXPECT_NE(reply.find("Content-Length: 11\r\n"), std::string::npos) << reply;
  EXPECT_TRUE(reply.ends_with("\r\n\r\nGET /status")) << reply;
}

TEST_F(ControlServerTest, refuses_web_pages_whatever_the_case_of_the_header) {
  EXPECT_TRUE(
      ask("POST /trigger HTTP/1.1\r\nOrigin: http://x\r\n\r\n").starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(ask("POST /trigger HTTP/1.1\r\noRIGIN: null\r\n\r\n").starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(ask("GET /Origin:x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_F(ControlServerTest, refuses_web_pages_whose_name_was_made_to_lead_here) {
  for (const char* host :
       {"evil.example", "evil.example:8090", "localhost.evil.example", "10.0.0.1"})
    EXPECT_TRUE(ask("GET /status HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n")
                    .starts_with("HTTP/1.1 403"))
        << host;
  EXPECT_TRUE(ask("GET /status HTTP/1.1\r\nhost:127.0.0.1\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST_F(ControlServerTest, survives_what_is_no_request_and_serves_the_next) {
  for (const char* bad :
       {"\r\n\r\n", " \r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET  HTTP/1.1\r\n\r\n"})
    EXPECT_TRUE(ask(bad).starts_with("HTTP/1.1 400")) << bad;
  EXPECT_EQ(ask(std::string(100'000, 'x')), "") << "too long";
  EXPECT_EQ(ask("GET /slow HTTP/1.1\r\n"), "") << "its second is over";
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
}

TEST(ControlServerAddress, is_of_this_machine_only) {
  ControlServer server([](std::string_view, std::string_view, Entrance) { return Reply{}; });
  for (const char* wrong :
       {"0.0.0.0:0", "192.168.0.1:80", "127.0.0.1", "localhost:80", ":80", "127.0.0.1:x", ""})
    EXPECT_THROW(server.listen_http(wrong), std::runtime_error) << wrong;
}

}  // namespace
}  // namespace framering::recorder
