// SPDX-License-Identifier: Apache-2.0
//
// The honest ones: a producer that notes what each publish cost it, and readers that check every
// frame.
#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>

#include "hostile_stage.h"
#include "ring/clock.h"

namespace framering::test {
namespace {

std::uint64_t thread_cpu_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(time.tv_nsec);
}

// From here on this process is told that it may not have an io_uring, as a container's filter does.
void forbid_io_uring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    throw std::system_error(errno, std::generic_category(), "seccomp");
  }
}

bool can_have_io_uring() {
  io_uring ring{};
  if (io_uring_queue_init(2, &ring, 0) != 0) return false;
  io_uring_queue_exit(&ring);
  return true;
}

void sleep_until(std::uint64_t at_ns) noexcept {
  const timespec time{static_cast<time_t>(at_ns / 1'000'000'000),
                      static_cast<long>(at_ns % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
}

std::optional<std::size_t> measured(const Scoreboard& board) noexcept {
  const auto part = static_cast<std::size_t>(board.part.load(std::memory_order_relaxed));
  return part < kMeasuredParts ? std::optional(part) : std::nullopt;
}

bool quitting(const Scoreboard& board) noexcept {
  return board.quit.load(std::memory_order_relaxed) != 0;
}

}  // namespace

void produce(Scoreboard& board, const std::string& dir, EventPath path) {
  if (path == EventPath::plain_write) forbid_io_uring();
  ProducerScore& score = board.producer;
  score.uring.store(can_have_io_uring() ? 1 : 0);
  WriterOptions options = writer_options(dir, kStream);
  options.history_bytes = 2048 * kFrameBytes;
  options.slot_count = 2048;
  StreamWriter writer(options);
  std::vector<std::byte> frame(kFrameBytes);
  FrameMeta meta;
  meta.flags = kFrameKey;
  meta.codec = kCodecPattern;
  const auto publish = [&] {
    write_pattern(frame, writer.head() + 1);
    score.published.store(writer.publish(frame, meta), std::memory_order_release);
  };
  // The arena is full before anybody comes, so that leases stand in the way from the start.
  for (int i = 0; i < 3000; ++i) publish();
  writer.set_state(SourceState::live);
  std::uint64_t next_ns = monotonic_ns();
  while (!quitting(board)) {
    if (writer.announced()) score.ready.store(1);
    next_ns = std::max(next_ns + kFrameInterval_ns, monotonic_ns() - 10 * kFrameInterval_ns);
    sleep_until(next_ns);
    if (board.stop_publishing.load(std::memory_order_acquire) != 0) continue;
    const Canary canary = board.canary.exchange(Canary::none);
    for (int i = 0; canary == Canary::hurry && i < 4096; ++i) publish();  // two turns of the arena
    const std::optional<std::size_t> part = measured(board);
    write_pattern(frame, writer.head() + 1);
    if (canary == Canary::spoil_a_frame) frame.back() ^= std::byte{1};
    score.begun.fetch_add(1, std::memory_order_release);
    const std::uint64_t cpu_begin = thread_cpu_ns();
    const std::uint64_t begin = monotonic_ns();
    const std::uint64_t number = writer.publish(frame, meta);
    const std::uint64_t cost = monotonic_ns() - begin;
    const std::uint64_t cpu_cost = thread_cpu_ns() - cpu_begin;
    score.published.store(number, std::memory_order_release);
    score.ended.fetch_add(1, std::memory_order_release);
    if (!part) continue;
    score.publish[*part].add(cost);
    score.publish_cpu[*part].add(cpu_cost);
  }
}

void read_frames(Scoreboard& board, ReaderScore& score, const std::string& dir, Bell bell,
                 bool lease) {
  ReaderOptions options = reader_options(dir, kStream);
  options.start = Start::head;
  options.bell = bell;
  StreamReader reader(options);
  while (!quitting(board)) {
    Frame frame;
    const ReadResult result = lease ? reader.lease_next(frame, 50ms) : reader.next(frame, 50ms);
    // Lost is also what the reader does not own up to: a gap in the numbers.
    score.lost.store(reader.counts().lost() + reader.counts().leases_revoked);
    if (result != ReadResult::frame) {
      if (reader.link() == Link::attached) score.ready.store(1);
      continue;
    }
    const bool intact = whole(frame, frame.number);
    const bool trusted = !lease || reader.lease_valid(frame);
    if (lease) reader.release(frame);
    if (trusted && !intact) score.torn.fetch_add(1);
    if (const auto part = measured(board)) {
      score.latency[*part].add(monotonic_ns() - frame.published_ns);
    }
    if (score.first.load() == 0) score.first.store(frame.number);
    score.delivered.fetch_add(trusted ? 1 : 0);
    score.newest.store(frame.number, std::memory_order_release);
    score.ready.store(1);
  }
}

void suffer(Scoreboard& board, ReaderScore& score, const std::string& dir) {
  while (!quitting(board)) {
    for (const Policy policy : {Policy::every, Policy::live, Policy::newest}) {
      ReaderOptions options = reader_options(dir, kLyingStream);
      options.policy = policy;
      options.start = Start::key;
      StreamReader reader(options);
      for (int i = 0; i < 40 && !quitting(board); ++i) {
        Frame frame;
        const ReadResult result =
            i % 2 == 0 ? reader.next(frame, 5ms) : reader.lease_next(frame, 5ms);
        if (result == ReadResult::frame) {
          std::uint64_t number = 0;  // looks at every byte: it must be there, whatever it says
          if (check_pattern(frame.bytes, number) != PatternFault::none) score.torn.fetch_add(1);
          reader.release(frame);
        }
        (void)reader.parameter_set(frame.meta.parameter_set);
        reader.jump_to_newest_key();
        score.ready.store(1);
        score.delivered.fetch_add(1);  // calls that returned
      }
    }
  }
}

}  // namespace framering::test
