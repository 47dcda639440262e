// SPDX-License-Identifier: Apache-2.0
//
// Who may do what with which stream, and how often anybody may try.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/socket_path.h"

namespace framering {

enum class Verb : std::uint8_t {
  produce,  // own the stream's name
  read,     // attach to it, see its statistics
  operate,  // change its settings
  trust,    // be rung by eventfd
};

// Rules "VERB:STREAM:WHO": STREAM a pattern in which * stands for anything (fnmatch(3)), WHO one of
// uid=N, uid=NAME, gid=N, gid=NAME or *. Without any rule for a verb, whoever may open the role's
// socket may do it (trust: the producer's own uid); with one, only those whom the rules name.
class AccessList {
 public:
  // Throws std::invalid_argument with a sentence that quotes the rule.
  void add(const std::string& rule);
  [[nodiscard]] bool allows(Verb verb, const std::string& stream, const Peer& peer) const noexcept;
  [[nodiscard]] bool trusts(const std::string& stream, const Peer& peer,
                            uid_t producer) const noexcept;

 private:
  enum class Who : std::uint8_t { anybody, user, group };
  struct Rule {
    Verb verb;
    Who who;
    std::uint32_t id;  // uid or gid
    std::string pattern;
  };
  [[nodiscard]] bool any_rule(Verb verb) const noexcept;
  [[nodiscard]] bool named(Verb verb, const std::string& stream, const Peer& peer) const noexcept;

  std::vector<Rule> rules_;
};

// Attempts to attach, limited for each uid: `burst` at once, then `per_second`. A fixed table: when
// more uids try than it holds, the one that was quiet for longest is forgotten.
class AttemptLimiter {
 public:
  AttemptLimiter(std::uint32_t burst, std::uint32_t per_second) noexcept
      : burst_(burst), per_second_(per_second) {}
  void limit(std::uint32_t burst, std::uint32_t per_second) noexcept {
    burst_ = burst;
    per_second_ = per_second;
  }
  // False: over the limit.
  [[nodiscard]] bool take(uid_t uid, std::uint64_t now_ns) noexcept;

 private:
  static constexpr std::size_t kUsers = 64;
  struct Bucket {
    uid_t uid = 0;
    std::uint64_t filled_ns = 0;  // when `tokens` was right; 0: never used
    double tokens = 0;
  };
  std::uint32_t burst_;
  std::uint32_t per_second_;
  std::array<Bucket, kUsers> buckets_{};
};

}  // namespace framering
