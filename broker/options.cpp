// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <stdexcept>

#include "configured_line.h"

namespace framering {

namespace {

constexpr char kHelp[] =
    R"(framering-broker introduces producers and consumers of video streams to each other.

Usage: framering-broker [options]

  --socket-dir DIR        directory of the sockets producer.sock, consumer.sock and operator.sock,
                          made if absent; default $FRAMERING_DIR, else /run/framering
  --mode ROLE=OCTAL       file mode of a role's socket; default producer=0600, consumer=0660,
                          operator=0600
  --group ROLE=GROUP      group of a role's socket
  --allow VERB:STREAM:WHO who may do what, in addition to being able to open the socket. VERB is
                          produce, read, operate or trust (be woken by eventfd); STREAM a pattern
                          (* stands for anything); WHO uid=N, uid=NAME, gid=N, gid=NAME or *.
                          With any rule for a verb, only those whom its rules name may do it; trust
                          without a rule means the producer's own uid. May be repeated.
  --max-streams N         1..64, default 16
  --max-readers N         of one stream, 1..256, default 64
  --max-connections N     default: what those streams and readers need, and 64
  --max-connections-per-uid N   default: all but 16
  --attach-burst N        attempts to attach that one uid may make at once; default 64
  --attach-rate N         and how many a second after that; default 50
  --config FILE           take these options from table [broker] of a TOML file; SIGHUP reads it again
  --config-check          say whether --config is right, and end
  --version, --help

Examples:
  framering-broker
  framering-broker --config /etc/framering/framering.toml
  framering-broker --socket-dir /tmp/try --mode consumer=0666
  framering-broker --group consumer=video --allow 'produce:hdmi/*:uid=0' \
                   --allow 'read:hdmi/*:gid=video' --allow 'operate:*:uid=1000'
)";

[[noreturn]] void bad(const std::string& option, const std::string& value, const std::string& why) {
  throw std::invalid_argument("--" + option + " " + value + ": " + why);
}

std::uint32_t number(const std::string& option, const std::string& value, std::uint32_t least,
                     std::uint32_t most, const char* unit) {
  std::uint32_t result = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  if (error != std::errc() || stop != end || result < least || result > most) {
    bad(option, value,
        "a number in " + std::to_string(least) + ".." + std::to_string(most) + " " + unit +
            " is expected");
  }
  return result;
}

// "ROLE=VALUE": the role's entry and the value.
std::pair<SocketAccess*, std::string> by_role(SocketAccesses& sockets, const std::string& option,
                                              const std::string& value) {
  for (const Role role : kRoles) {
    const std::string prefix = std::string(to_string(role)) + "=";
    if (value.rfind(prefix, 0) == 0) {
      return {&sockets[static_cast<std::size_t>(role)], value.substr(prefix.size())};
    }
  }
  bad(option, value, "ROLE=... is expected, where ROLE is producer, consumer or operator");
}

mode_t octal(const std::string& value, const std::string& digits) {
  unsigned mode = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, mode, 8);
  if (error != std::errc() || stop != end || mode > 0777) {
    bad("mode", value, "the mode is no octal number in 0..0777");
  }
  return mode;
}

enum Option : int {
  kSocketDir = 256,
  kMode,
  kGroup,
  kAllow,
  kMaxStreams,
  kMaxReaders,
  kMaxConnections,
  kMaxConnectionsPerUid,
  kAttachBurst,
  kAttachRate,
  kVersion,
  kHelpOption
};

constexpr option kLongOptions[] = {
    {"socket-dir", required_argument, nullptr, kSocketDir},
    {"mode", required_argument, nullptr, kMode},
    {"group", required_argument, nullptr, kGroup},
    {"allow", required_argument, nullptr, kAllow},
    {"max-streams", required_argument, nullptr, kMaxStreams},
    {"max-readers", required_argument, nullptr, kMaxReaders},
    {"max-connections", required_argument, nullptr, kMaxConnections},
    {"max-connections-per-uid", required_argument, nullptr, kMaxConnectionsPerUid},
    {"attach-burst", required_argument, nullptr, kAttachBurst},
    {"attach-rate", required_argument, nullptr, kAttachRate},
    {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelpOption},
    {nullptr, 0, nullptr, 0},
};

ConfigTable config_table() {
  ConfigTable table{"broker"};
  for (const option* one = kLongOptions; one->val != kVersion; ++one) {
    table.keys.push_back({one->name});
  }
  return table;
}

BrokerOptions parse(int argc, char** argv, bool& told) {
  BrokerOptions options;
  options.sockets[static_cast<std::size_t>(Role::consumer)].mode = 0660;
  std::string dir;
  optind = 0;  // begin anew: the line is parsed again on a reload
  for (int chosen; (chosen = ::getopt_long(argc, argv, "", kLongOptions, nullptr)) != -1;) {
    const std::string value = optarg == nullptr ? "" : optarg;
    switch (chosen) {
      case kSocketDir:
        dir = value;
        break;
      case kMode: {
        const auto [access, digits] = by_role(options.sockets, "mode", value);
        access->mode = octal(value, digits);
        break;
      }
      case kGroup: {
        const auto [access, group] = by_role(options.sockets, "group", value);
        access->group = group;
        break;
      }
      case kAllow:
        options.access.add(value);
        break;
      case kMaxStreams:
        options.max_streams = number("max-streams", value, 1, 64, "streams");
        break;
      case kMaxReaders:
        options.max_readers = number("max-readers", value, 1, 256, "readers");
        break;
      case kMaxConnections:
        options.max_connections = number("max-connections", value, 32, 1'000'000, "connections");
        break;
      case kMaxConnectionsPerUid:
        options.max_connections_per_uid =
            number("max-connections-per-uid", value, 1, 1'000'000, "connections");
        break;
      case kAttachBurst:
        options.attach_burst = number("attach-burst", value, 1, 100'000, "attempts");
        break;
      case kAttachRate:
        options.attach_per_second = number("attach-rate", value, 1, 100'000, "attempts/s");
        break;
      case kVersion:
        std::puts("framering-broker " FRAMERING_VERSION);
        told = true;
        return {};
      case kHelpOption:
        std::fputs(kHelp, stdout);
        told = true;
        return {};
      default:
        throw std::invalid_argument("see framering-broker --help");  // getopt has said what
    }
  }
  if (optind < argc) {
    throw std::invalid_argument(std::string(argv[optind]) +
                                ": options only are expected; see framering-broker --help");
  }
  options.socket_dir = resolve_socket_dir(dir);
  return options;
}

}  // namespace

std::optional<BrokerOptions> parse_options(int argc, char** argv) {
  ConfiguredLine line(argc, argv, config_table());
  try {
    bool told = false;
    BrokerOptions options = parse(line.argc(), line.argv(), told);
    if (told || line.was_check_only()) return {};
    options.config = line.values();
    return options;
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(line.locate(error.what()));
  }
}

}  // namespace framering
