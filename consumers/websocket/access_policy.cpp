// SPDX-License-Identifier: Apache-2.0
#include "access_policy.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "request_target.h"
#ifdef FRAMERING_TLS
#include "token.h"
#endif

namespace framering::websocket {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
  }
  return result;
}

// "name:port", "[v6]:port" or "name" -> name or address
std::string name_of(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  return lower(host.substr(0, host.find(':')));
}

}  // namespace

AccessPolicy::AccessPolicy(AccessRules rules) : rules_(std::move(rules)) {
  for (std::string& host : rules_.hosts) host = lower(host);
  for (std::string& origin : rules_.origins) origin = lower(origin);
  for (std::string& name : own_names()) rules_.hosts.push_back(lower(name));
}

std::optional<Refusal> AccessPolicy::judge(const Credentials& of, bool is_upgrade,
                                           std::int64_t now_s) const {
  // Without tokens, whoever reaches this server is welcome, and a page that any site sent would
  // reach it through the browser: by a name of that site which leads here (DNS rebinding).
  if (!wants_token() && !of.host.empty() && !knows_host(of.host)) return Refusal::unknown_host;
  if (is_upgrade && !same_origin(of.origin, of.host) &&
      std::find(rules_.origins.begin(), rules_.origins.end(), lower(of.origin)) ==
          rules_.origins.end())
    return Refusal::foreign_origin;
#ifdef FRAMERING_TLS
  if (wants_token() && !is_token(token_of_request(of.authorization, of.cookies), now_s))
    return Refusal::no_token;
#else
  static_cast<void>(now_s);
#endif
  return std::nullopt;
}

bool AccessPolicy::is_token([[maybe_unused]] std::string_view token,
                            [[maybe_unused]] std::int64_t now_s) const {
#ifdef FRAMERING_TLS
  return verify_token(token, rules_.token_secret, now_s) == TokenVerdict::valid;
#else
  return false;
#endif
}

// An address cannot be made to lead elsewhere.
bool AccessPolicy::knows_host(std::string_view host) const {
  const std::string name = name_of(host);
  return is_ip_address(name) || name == "localhost" || name.ends_with(".localhost") ||
         std::find(rules_.hosts.begin(), rules_.hosts.end(), name) != rules_.hosts.end();
}

bool is_ip_address(const std::string& text) {
  boost::system::error_code error;
  static_cast<void>(boost::asio::ip::make_address(text, error));
  return !error;
}

std::vector<std::string> own_names() {
  std::vector<std::string> names = {"localhost"};
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0') {
    names.emplace_back(name.data());
    if (names.back().find('.') == std::string::npos) names.push_back(names.back() + ".local");
  }
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return names;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    std::array<char, NI_MAXHOST> text{};
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (::getnameinfo(entry->ifa_addr, size, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0)
      continue;
    std::string address = text.data();
    if (address.find('%') == std::string::npos) names.push_back(std::move(address));
  }
  ::freeifaddrs(list);
  return names;
}

}  // namespace framering::websocket
