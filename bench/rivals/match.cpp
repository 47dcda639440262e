// SPDX-License-Identifier: Apache-2.0
#include "match.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>

#include "services.h"

namespace framering::bench {
namespace {

constexpr std::uint32_t kLeastKept = 5;
constexpr std::uint32_t kMostKept = 4096;

struct Player {
  LaneResults* results;
  std::unique_ptr<Company> company;
};

// A lane that fails is out, with its reason; the others go on.
template <typename Round>
void let_play(Player& player, Round round) {
  if (!player.company) return;
  try {
    round(*player.company);
  } catch (const std::exception& error) {
    player.results->absent = error.what();
    player.results->failed = player.company->info().kind != Kind::rival;
    player.company.reset();
  }
}

}  // namespace

std::string text_of(const Match& match) {
  char text[96];
  std::snprintf(text, sizeof text, "%u B at %u fps, N = %u", match.bytes, match.fps, match.readers);
  return text;
}

Terms terms_of(const Match& match) {
  Terms terms;
  terms.bytes = match.bytes;
  terms.readers = match.readers;
  const std::uint64_t stride = (match.bytes + 63) / 64 * 64;
  const auto fitting = std::min<std::uint64_t>(match.history_bytes / stride, kMostKept);
  terms.kept = std::max(kLeastKept, static_cast<std::uint32_t>(fitting));
  return terms;
}

const LaneResults* MatchResults::lane(const std::string& key) const {
  const auto found =
      std::ranges::find_if(lanes, [&](const LaneResults& lane) { return lane.info->key == key; });
  return found == lanes.end() || !found->absent.empty() ? nullptr : &*found;
}

MatchResults play(const Match& match, const std::vector<std::string>& keys,
                  const std::string& build_dir) {
  MatchResults results{match, {}};
  for (const RivalInfo& info : all_rivals()) {
    if (keys.empty() || std::ranges::find(keys, info.key) != keys.end()) {
      results.lanes.push_back({&info, "", false, {}, {}});
    }
  }
  Terms terms = terms_of(match);
  const Services services(build_dir, terms);
  std::vector<Player> players;
  for (LaneResults& lane : results.lanes) {
    terms.dir = services.dir();
    terms.name = lane.info->key;
    lane.absent = services.absence(*lane.info);
    if (!lane.absent.empty()) continue;
    try {
      players.push_back(
          {&lane, std::make_unique<Company>(*lane.info, terms, services.daemon_of(*lane.info))});
    } catch (const std::exception& error) {
      lane.absent = error.what();
      lane.failed = true;
    }
  }
  std::mt19937 random(1);  // another order in each round, the same ones in each invocation
  for (std::uint32_t round = 0; round < match.rounds; ++round) {
    std::ranges::shuffle(players, random);
    for (Player& player : players) {
      let_play(player, [&](Company& company) {
        player.results->paced.push_back(company.run_paced(match.frames, match.fps));
      });
    }
  }
  for (std::uint32_t round = 0; round < match.unpaced_rounds; ++round) {
    std::ranges::shuffle(players, random);
    for (Player& player : players) {
      let_play(player, [&](Company& company) {
        player.results->unpaced.push_back(company.run_unpaced(match.unpaced));
      });
    }
  }
  return results;
}

}  // namespace framering::bench
