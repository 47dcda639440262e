// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <fnmatch.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace framering {

namespace {

[[noreturn]] void bad_rule(const std::string& rule, const std::string& why) {
  throw std::invalid_argument("--allow " + rule + ": " + why +
                              "; a rule reads VERB:STREAM:WHO, for example read:hdmi/*:gid=video");
}

bool parse_number(const std::string& text, std::uint32_t& number) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

void AccessList::add(const std::string& text) {
  const std::size_t first = text.find(':');
  const std::size_t last = text.rfind(':');
  if (first == std::string::npos || first == last) bad_rule(text, "two colons expected");
  const std::string verb = text.substr(0, first);
  const std::string who = text.substr(last + 1);
  Rule rule{Verb::read, Who::anybody, 0, text.substr(first + 1, last - first - 1)};
  if (verb == "produce") {
    rule.verb = Verb::produce;
  } else if (verb == "operate") {
    rule.verb = Verb::operate;
  } else if (verb == "trust") {
    rule.verb = Verb::trust;
  } else if (verb != "read") {
    bad_rule(text, "the verb is none of produce, read, operate, trust");
  }
  if (rule.pattern.empty()) bad_rule(text, "the stream pattern is empty (* stands for all)");
  if (who != "*") {
    const std::string name = who.size() > 4 ? who.substr(4) : "";
    if (name.empty() || (who.rfind("uid=", 0) != 0 && who.rfind("gid=", 0) != 0)) {
      bad_rule(text, "WHO is none of uid=..., gid=... or *");
    }
    rule.who = who[0] == 'u' ? Who::user : Who::group;
    if (!parse_number(name, rule.id)) {
      const passwd* user = rule.who == Who::user ? ::getpwnam(name.c_str()) : nullptr;
      const group* members = rule.who == Who::group ? ::getgrnam(name.c_str()) : nullptr;
      if (user == nullptr && members == nullptr) bad_rule(text, "nobody is called '" + name + "'");
      rule.id = user != nullptr ? user->pw_uid : members->gr_gid;
    }
  }
  rules_.push_back(std::move(rule));
}

bool AccessList::any_rule(Verb verb) const noexcept {
  return std::any_of(rules_.begin(), rules_.end(),
                     [verb](const Rule& r) { return r.verb == verb; });
}

bool AccessList::named(Verb verb, const std::string& stream, const Peer& peer) const noexcept {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    if (rule.verb != verb || ::fnmatch(rule.pattern.c_str(), stream.c_str(), 0) != 0) return false;
    switch (rule.who) {
      case Who::anybody:
        return true;
      case Who::user:
        return peer.uid == rule.id;
      case Who::group:
        return peer.in_group(rule.id);
    }
    return false;
  });
}

bool AccessList::allows(Verb verb, const std::string& stream, const Peer& peer) const noexcept {
  return !any_rule(verb) || named(verb, stream, peer);
}

bool AccessList::trusts(const std::string& stream, const Peer& peer,
                        uid_t producer) const noexcept {
  return any_rule(Verb::trust) ? named(Verb::trust, stream, peer) : peer.uid == producer;
}

bool AttemptLimiter::take(uid_t uid, std::uint64_t now_ns) noexcept {
  auto bucket = std::find_if(buckets_.begin(), buckets_.end(),
                             [uid](const Bucket& b) { return b.uid == uid && b.filled_ns != 0; });
  if (bucket == buckets_.end()) {
    bucket = std::min_element(
        buckets_.begin(), buckets_.end(),
        [](const Bucket& a, const Bucket& b) { return a.filled_ns < b.filled_ns; });
    *bucket = {uid, now_ns, static_cast<double>(burst_)};
  }
  const double seconds = static_cast<double>(now_ns - bucket->filled_ns) * 1e-9;
  bucket->tokens = std::min(static_cast<double>(burst_), bucket->tokens + seconds * per_second_);
  bucket->filled_ns = now_ns;
  if (bucket->tokens < 1) return false;
  bucket->tokens -= 1;
  return true;
}

}  // namespace framering
