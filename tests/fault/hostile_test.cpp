// SPDX-License-Identifier: Apache-2.0
//
// Hostile neighbours, as real processes, and what the producer and the honest readers notice: not
// one frame lost or torn, everybody alive, no more rings than frames times readers. What the times
// were stands in the table at the end; no time is asserted.
//
// FRAMERING_FAULT_SECONDS=N   seconds for each attack, both paths for all, and the full numbers
//                             (20,000 epolls, a million futex waits)
#include <cstdio>
#include <cstdlib>

#include "hostile_report.h"

namespace framering::test {
namespace {

std::vector<Attack> all_attacks() {
  std::vector<Attack> all = {{"NoNeighbour", "", Standing::stranger,
                              [](const Neighbourhood& where) {  // the A/A spread
                                where.score->ready.store(1);
                                sleep_for_ever();
                              }}};
  for (const auto& kind : {bell_attacks(), memory_attacks(), socket_attacks(), producer_attacks(),
                           file_system_attacks()}) {
    all.insert(all.end(), kind.begin(), kind.end());
  }
  return all;
}

constexpr double kShortForm_s = 0.66;  // of measuring: all attacks together take half a minute

double long_form_seconds() {
  const char* const text = std::getenv("FRAMERING_FAULT_SECONDS");
  return text == nullptr ? 0 : std::strtod(text, nullptr);
}

const char* name_of(EventPath path) {
  return path == EventPath::io_uring ? "IoUring" : "PlainWrite";
}

struct Case {
  Attack attack;
  EventPath path;
};

void PrintTo(const Case& what, std::ostream* out) {
  *out << what.attack.name;
}

// Both paths where the bell is what is attacked; in the long form everywhere.
std::vector<Case> all_cases() {
  std::vector<Case> all;
  const std::size_t bells = 1 + bell_attacks().size();
  for (const Attack& attack : all_attacks()) {
    all.push_back({attack, EventPath::io_uring});
    if (all.size() <= 2 * bells || long_form_seconds() > 0) {
      all.push_back({attack, EventPath::plain_write});
    }
  }
  return all;
}

class HostileNeighbour : public ::testing::TestWithParam<Case> {
 protected:
  static void TearDownTestSuite() {
    std::printf("\n%s\n%s%s\n", table_notes().c_str(), table_head().c_str(), table.c_str());
  }
  static std::string table;
};
std::string HostileNeighbour::table;

std::string case_name(const ::testing::TestParamInfo<Case>& instance) {
  const auto& [attack, path] = instance.param;
  return std::string(attack.name) + "_" + name_of(path);
}

TEST_P(HostileNeighbour, CostsNobodyAFrame) {
  const auto& [attack, path] = GetParam();
  if (attack.standing != Standing::insider && ::getuid() != 0) {
    GTEST_SKIP() << "only root can start a neighbour of another user: run as root to test this one";
  }
  if (attack.why_impossible != nullptr) {
    if (const std::string why = attack.why_impossible(); !why.empty()) GTEST_SKIP() << why;
  }
  const bool full = long_form_seconds() > 0;
  const double seconds = full ? long_form_seconds() : kShortForm_s;
  const int rounds = full ? 10 : 2;
  Stage stage(attack, path);
  const Scoreboard& board = stage.board();
  if (board.producer.uring.load() == 0 && path == EventPath::io_uring) {
    std::printf("this machine refuses io_uring: the producer writes plainly\n");
  }
  EXPECT_FALSE(path == EventPath::plain_write && board.producer.uring.load() != 0);
  const StreamStat before = stage.stat();
  for (int i = 0; i < rounds; ++i) {
    ASSERT_TRUE(stage.round(static_cast<std::uint64_t>(seconds / (2 * rounds) * 1e9), full))
        << stage.fault();
  }
  EXPECT_TRUE(stage.settle()) << "an honest reader did not come to the newest frame";
  EXPECT_EQ(stage.dead(), "") << "has ended";
  StreamStat after;
  ASSERT_NO_THROW(after = stage.stat()) << "the broker answers";

  for (std::size_t i = 0; i < stage.honest_readers(); ++i) {
    const ReaderScore& reader = board.readers[i];
    EXPECT_EQ(reader.lost.load(), 0u) << "reader " << i;
    EXPECT_EQ(reader.torn.load(), 0u) << "reader " << i;
    EXPECT_EQ(reader.delivered.load(), board.producer.published.load() - reader.first.load() + 1)
        << "reader " << i;
  }
  EXPECT_EQ(board.hostile.successes.load(), 0u) << "something that must be refused was not";
  EXPECT_EQ(board.producer.begun.load(), board.producer.ended.load()) << "a publish is stuck";
  if (attack.needs_victim) {
    std::printf("the lying producer's reader: %llu calls returned, %llu frames that were none\n",
                static_cast<unsigned long long>(board.readers[kMaxHonest - 1].delivered.load()),
                static_cast<unsigned long long>(board.readers[kMaxHonest - 1].torn.load()));
    EXPECT_GT(board.readers[kMaxHonest - 1].delivered.load(), 0u) << "the victim stands still";
  }
  // Bounded steps: at most one ring for each reader in a publish.
  const std::uint64_t frames = after.stream.head - before.stream.head;
  EXPECT_LE(after.bells_rung - before.bells_rung, (frames + 1) * (stage.honest_readers() + 1));
  EXPECT_TRUE(eventually([&] { return stage.stat().readers.size() == stage.honest_readers(); }))
      << "what the neighbour leaves behind is let go of";

  std::string name = std::string(attack.name) + ", " + name_of(path);
  table += table_line(name, attack, board, stage.honest_readers(), after);
}

// The checker is checked: what would be a violation is seen as one.
TEST(HostileNeighbourCanary, ASpoiltFrameIsSeenByEveryReader) {
  const Attack nobody = all_attacks().front();
  Stage stage(nobody, EventPath::io_uring);
  stage.put_in(Canary::spoil_a_frame);
  EXPECT_TRUE(eventually([&] {
    std::size_t saw_it = 0;
    for (std::size_t i = 0; i < stage.honest_readers(); ++i) {
      saw_it += stage.board().readers[i].torn.load() == 1;
    }
    return saw_it == stage.honest_readers();
  }));
}

TEST(HostileNeighbourCanary, ALostFrameIsSeen) {
  const Attack nobody = all_attacks().front();
  Stage stage(nobody, EventPath::io_uring);
  stage.signal_reader(0, SIGSTOP);
  const std::uint64_t before = stage.board().producer.published.load();
  stage.put_in(Canary::hurry);
  EXPECT_TRUE(eventually([&] { return stage.board().producer.published.load() > before + 4096; }));
  stage.signal_reader(0, SIGCONT);
  EXPECT_TRUE(eventually([&] { return stage.board().readers[0].lost.load() > 0; }));
}

INSTANTIATE_TEST_SUITE_P(, HostileNeighbour, ::testing::ValuesIn(all_cases()), case_name);

}  // namespace
}  // namespace framering::test
