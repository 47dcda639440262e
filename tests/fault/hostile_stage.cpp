// SPDX-License-Identifier: Apache-2.0
#include "hostile_stage.h"

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <exception>

#include "ring/clock.h"

namespace framering::test {
namespace {

constexpr auto kSetUpLimit = 30s;  // a million futex waits take their time

void sleep_ns(std::uint64_t duration_ns) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(duration_ns));
}

// Becomes another user for good. Throws if it cannot.
void become(uid_t uid) {
  if (::setgroups(0, nullptr) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0) {
    throw std::system_error(errno, std::generic_category(), "setuid");
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // another user's process forgets it
}

std::vector<std::string> broker_arguments(Standing standing) {
  std::vector<std::string> arguments = {"--mode", "consumer=0666"};
  if (standing == Standing::trusted) arguments.insert(arguments.end(), {"--allow", "trust:*:*"});
  return arguments;
}

}  // namespace

Child::Child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  group_ = pid_;
  if (pid_ != 0) {
    ::setpgid(pid_, pid_);  // both sides do it: whoever comes first
    return;
  }
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(900);
  if (::getppid() != parent) ::_exit(1);
  try {
    body();
    ::_exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "a process of this test ended: %s\n", error.what());
    ::_exit(1);
  }
}

bool Child::alive() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
  return pid_ > 0;
}

void Child::kill_group() noexcept {
  if (group_ > 0) ::kill(-group_, SIGKILL);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  pid_ = group_ = -1;
}

Stage::Stage(const Attack& attack, EventPath path) : attack_(attack), board_(Scoreboard::make()) {
  ::chmod(dir_.path().c_str(), 0755);
  broker_.emplace(dir_.path(), broker_arguments(attack.standing));
  producer_ = std::make_unique<Child>([&] { produce(board_, dir_.path(), path); });
  if (!eventually([&] { return board_.producer.ready.load() != 0; })) {
    throw std::runtime_error("the producer was not announced");
  }
  const struct {
    Bell bell;
    bool lease;
  } honest[] = {{Bell::futex, false},
                {Bell::futex, true},
                {Bell::eventfd, false},
                {Bell::eventfd, true},
                {Bell::line, false}};
  for (std::size_t i = 0; i < std::size(honest); ++i) {
    readers_.push_back(std::make_unique<Child>([&, i] {
      read_frames(board_, board_.readers[i], dir_.path(), honest[i].bell, honest[i].lease);
    }));
  }
  if (attack_.needs_victim) {
    victim_ = std::make_unique<Child>(
        [&] { suffer(board_, board_.readers[kMaxHonest - 1], dir_.path()); });
  }
  if (!eventually([&] {
        for (std::size_t i = 0; i < readers_.size(); ++i) {
          if (board_.readers[i].newest.load() == 0) return false;
        }
        return true;
      })) {
    throw std::runtime_error("the honest readers were not attached");
  }
}

Stage::~Stage() {
  board_.quit.store(1);
  victim_.reset();
  readers_.clear();
  producer_.reset();
  broker_.reset();
  Scoreboard::drop(board_);
}

// Another one in each life, so that the producer has no old grudge against it.
uid_t Stage::hostile_uid() noexcept {
  return 61'000 + hostile_lives_++ % 1000;
}

bool Stage::round(std::uint64_t part_ns, bool full) {
  sleep_ns(20'000'000);
  board_.part.store(Part::calm);
  pass(part_ns, Part::calm);
  board_.part.store(Part::unmeasured);
  sleep_ns(10'000'000);
  attack_part(part_ns, full);
  const std::uint64_t before = board_.producer.ended.load();
  if (!eventually([&] { return board_.producer.ended.load() > before + 2; })) {
    fault_ = "the producer stands still after the neighbour is gone";
  }
  return fault_.empty();
}

void Stage::attack_part(std::uint64_t part_ns, bool full) {
  board_.hostile.ready.store(0);
  const uid_t uid = hostile_uid();
  Child hostile([&] {
    if (attack_.prepare != nullptr) attack_.prepare();
    if (attack_.standing != Standing::insider && ::getuid() == 0) become(uid);
    attack_.run(Neighbourhood{dir_.path(), &board_.hostile, full});
  });
  // Stepping over leases and dear bells begins as soon as it is there: that is measured as well.
  board_.part.store(Part::attacked);
  if (!eventually([&] { return board_.hostile.ready.load() != 0; }, kSetUpLimit)) {
    fault_ = "the neighbour did not get as far as attacking";
  }
  pass(part_ns, Part::attacked);
  board_.part.store(Part::unmeasured);
  if (fault_.empty() && attack_.standing != Standing::insider && !newcomer_is_served()) {
    fault_ = "a newcomer was not served meanwhile";
  }
  hostile.kill_group();
}

// An insider may spend what the honest ones of its own user may attach; nobody else.
bool Stage::newcomer_is_served() {
  StreamReader reader(reader_options(dir_.path(), kStream));
  Frame frame;
  return next_frame(reader, frame) == ReadResult::frame;
}

void Stage::pass(std::uint64_t part_ns, Part part) {
  const std::uint64_t end_ns = monotonic_ns() + part_ns;
  while (monotonic_ns() < end_ns) {
    const std::uint64_t asked_ns = monotonic_ns();
    (void)stat();
    board_.broker_answers[static_cast<std::size_t>(part)].add(monotonic_ns() - asked_ns);
    sleep_ns(std::min<std::uint64_t>(20'000'000, end_ns - std::min(end_ns, monotonic_ns())));
  }
}

bool Stage::settle() {
  board_.stop_publishing.store(1);
  sleep_ns(20'000'000);
  return eventually([&] {
    const std::uint64_t head = board_.producer.published.load();
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      if (board_.readers[i].newest.load(std::memory_order_acquire) != head) return false;
    }
    return true;
  });
}

std::string Stage::dead() {
  if (!producer_->alive()) return "the producer";
  for (auto& reader : readers_) {
    if (!reader->alive()) return "an honest reader";
  }
  if (victim_ && !victim_->alive()) return "the reader of the lying producer";
  if (::waitpid(broker_->pid(), nullptr, WNOHANG) != 0) return "the broker";
  return {};
}

StreamStat Stage::stat() const {
  return OperatorClient(dir_.path()).stat(kStream);
}

}  // namespace framering::test
