// SPDX-License-Identifier: Apache-2.0
//
// The neighbourhood of one test: a broker, a producer and honest readers, each a process, and room
// for one hostile process at a time. Nothing of it outlives the Stage, nor the test's process.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/operator_client.h"
#include "control_fixture.h"
#include "hostile_attack.h"
#include "hostile_scoreboard.h"

namespace framering::test {

// How the producer rings several eventfds at once.
enum class EventPath : std::uint8_t { io_uring, plain_write };

inline constexpr std::size_t kFrameBytes = 8192;
inline constexpr std::uint64_t kFrameInterval_ns = 2'000'000;

// A forked child. It dies with the process that made it; kill_group ends its children as well.
class Child {
 public:
  explicit Child(const std::function<void()>& body);
  ~Child() { kill_group(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] bool alive();
  void kill_group() noexcept;
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  pid_t group_ = -1;
};

class Stage {
 public:
  Stage(const Attack& attack, EventPath path);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // One calm part and one under attack, each of `part_ns`. False: the hostile one did not get as
  // far as attacking, or the producer stood still after it was gone.
  [[nodiscard]] bool round(std::uint64_t part_ns, bool full);
  // Stops publishing and waits until every honest reader has what was published.
  [[nodiscard]] bool settle();

  [[nodiscard]] std::string fault() const { return fault_; }
  [[nodiscard]] const Scoreboard& board() const noexcept { return board_; }
  [[nodiscard]] std::size_t honest_readers() const noexcept { return readers_.size(); }
  // Has the producer do something wrong, once.
  void put_in(Canary canary) { board_.canary.store(canary); }
  void signal_reader(std::size_t reader, int signal) { ::kill(readers_[reader]->pid(), signal); }
  // Everybody honest still runs; else the name of who does not.
  [[nodiscard]] std::string dead();
  [[nodiscard]] StreamStat stat() const;

 private:
  void attack_part(std::uint64_t part_ns, bool full);
  [[nodiscard]] bool newcomer_is_served();
  // Lets the time pass, and asks the broker something now and then.
  void pass(std::uint64_t part_ns, Part part);
  [[nodiscard]] uid_t hostile_uid() noexcept;

  const Attack& attack_;
  Scoreboard& board_;
  TempDir dir_;
  std::optional<BrokerProcess> broker_;
  std::unique_ptr<Child> producer_;
  std::vector<std::unique_ptr<Child>> readers_;
  std::unique_ptr<Child> victim_;
  std::string fault_;
  std::uint32_t hostile_lives_ = 0;
};

// What the honest processes run; hostile_honest.cpp.
void produce(Scoreboard& board, const std::string& dir, EventPath path);
void read_frames(Scoreboard& board, ReaderScore& score, const std::string& dir, Bell bell,
                 bool lease);
// Reads a stream that lies, whatever comes; must neither die nor stand still.
void suffer(Scoreboard& board, ReaderScore& score, const std::string& dir);

}  // namespace framering::test
