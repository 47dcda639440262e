// SPDX-License-Identifier: Apache-2.0
#include "http_client.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#ifdef FRAMERING_TLS
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/rfc2818_verification.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#endif
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace framering::webrtc {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using TcpStream = boost::beast::tcp_stream;

constexpr std::chrono::seconds kLimit{10};
constexpr std::uint64_t kMaxReplyBytes = 256 << 10;
constexpr int kMaxRedirects = 3;

// One request to one server, kept alive by what is pending.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::io_context& io, HttpRequest wanted, std::function<void(const HttpReply&)> done,
           int redirects)
      : io_(io),
        wanted_(std::move(wanted)),
        done_(std::move(done)),
        redirects_(redirects),
        resolver_(io),
        tcp_(io) {
    request_.version(11);
    request_.method(http::string_to_verb(wanted_.method));
    request_.target(wanted_.url.target);
    request_.set(http::field::host, wanted_.url.authority());
    request_.set(http::field::user_agent, "framering-webrtc/" FRAMERING_VERSION);
    request_.set(http::field::connection, "close");
    if (!wanted_.content_type.empty())
      request_.set(http::field::content_type, wanted_.content_type);
    if (!wanted_.bearer.empty())
      request_.set(http::field::authorization, "Bearer " + wanted_.bearer);
    request_.body() = wanted_.body;
    request_.prepare_payload();
    parser_.body_limit(kMaxReplyBytes);
  }

  void run() {
    resolver_.async_resolve(wanted_.url.host, wanted_.url.port,
                            [self = shared_from_this()](error_code error, const auto& found) {
                              if (error) return self->fail(error.message());
                              self->connect(found);
                            });
  }

 private:
  void connect(const asio::ip::tcp::resolver::results_type& found) {
    tcp_.expires_after(kLimit);
    tcp_.async_connect(found, [self = shared_from_this()](error_code error, const auto&) {
      if (error) return self->fail(error.message());
      if (self->wanted_.url.encrypted) return self->encrypt();
      self->converse(self->tcp_);
    });
  }

#ifdef FRAMERING_TLS
  void encrypt() {
    tls_.set_default_verify_paths();
    encrypted_.emplace(std::move(tcp_), tls_);
    encrypted_->set_verify_mode(asio::ssl::verify_peer);
    encrypted_->set_verify_callback(asio::ssl::rfc2818_verification(wanted_.url.host));
    if (SSL_set_tlsext_host_name(encrypted_->native_handle(), wanted_.url.host.c_str()) != 1)
      return fail("OpenSSL refuses the server's name");
    encrypted_->async_handshake(asio::ssl::stream_base::client,
                                [self = shared_from_this()](error_code error) {
                                  if (error) return self->fail(error.message());
                                  self->converse(*self->encrypted_);
                                });
  }
#else
  void encrypt() {
    fail("this program was built without TLS (OpenSSL)");
  }
#endif

  template <class Stream>
  void converse(Stream& stream) {
    http::async_write(stream, request_,
                      [self = shared_from_this(), &stream](error_code error, std::size_t) {
                        if (error) return self->fail(error.message());
                        http::async_read(stream, self->buffer_, self->parser_,
                                         [self](error_code failed, std::size_t) {
                                           if (failed) return self->fail(failed.message());
                                           self->answered();
                                         });
                      });
  }

  void answered() {
    const auto& response = parser_.get();
    const auto location = response[http::field::location];
    HttpReply reply{response.result_int(),
                    {},
                    response.body(),
                    std::string(location.data(), location.size()),
                    wanted_.url};
    // Other redirects would turn a POST into a GET.
    const bool moved = reply.status == 307 || reply.status == 308;
    if (!moved || reply.location.empty() || redirects_ == kMaxRedirects) return done_(reply);
    try {
      const Url next = wanted_.url.resolve(reply.location);
      // A token is for the server that it was given for.
      if (next.host != wanted_.url.host || next.port != wanted_.url.port ||
          next.encrypted != wanted_.url.encrypted)
        wanted_.bearer.clear();
      wanted_.url = next;
    } catch (const std::invalid_argument& error) {
      return fail(error.what());
    }
    std::make_shared<Exchange>(io_, std::move(wanted_), std::move(done_), redirects_ + 1)->run();
  }

  void fail(const std::string& why) {
    done_({0, wanted_.url.text() + ": " + why, {}, {}, wanted_.url});
  }

  asio::io_context& io_;
  HttpRequest wanted_;
  std::function<void(const HttpReply&)> done_;
  const int redirects_;  // before this
  asio::ip::tcp::resolver resolver_;
  TcpStream tcp_;
#ifdef FRAMERING_TLS
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::optional<boost::beast::ssl_stream<TcpStream>> encrypted_;
#endif
  http::request<http::string_body> request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
};

}  // namespace

Url Url::parse(const std::string& text) {
  Url url;
  const std::string http = "http://", https = "https://";
  url.encrypted = text.starts_with(https);
  if (!url.encrypted && !text.starts_with(http))
    throw std::invalid_argument("'" + text + "' is not http://... or https://...");
  const std::string rest = text.substr((url.encrypted ? https : http).size());
  const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  const std::string authority = rest.substr(0, slash);
  url.target = rest.substr(slash);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  const std::size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  url.host = has_port ? authority.substr(0, colon) : authority;
  url.port = has_port ? authority.substr(colon + 1) : url.encrypted ? "443" : "80";
  if (url.host.starts_with('[') && url.host.ends_with(']'))
    url.host = url.host.substr(1, url.host.size() - 2);
  if (url.host.empty() || url.port.empty() || authority.find('@') != std::string::npos ||
      text.find_first_of(" \r\n\t#") != std::string::npos)
    throw std::invalid_argument("'" + text + "' names no server");
  return url;
}

Url Url::resolve(const std::string& location) const {
  if (location.starts_with("http://") || location.starts_with("https://")) return parse(location);
  Url url = *this;
  if (location.starts_with('/')) {
    url.target = location;
  } else {
    const std::string path = target.substr(0, target.find('?'));
    url.target = path.substr(0, path.rfind('/') + 1) + location;
  }
  return url;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

std::string Url::text() const {
  return (encrypted ? "https://" : "http://") + authority() + target;
}

void fetch(boost::asio::io_context& io, HttpRequest request,
           std::function<void(const HttpReply&)> done) {
  std::make_shared<Exchange>(io, std::move(request), std::move(done), 0)->run();
}

}  // namespace framering::webrtc
