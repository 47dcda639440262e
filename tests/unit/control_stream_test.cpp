// SPDX-License-Identifier: Apache-2.0
//
// StreamWriter, broker and StreamReader together, on real sockets.
#include <poll.h>

#include <atomic>
#include <fstream>

#include "control/operator_client.h"
#include "control_fixture.h"

namespace framering::test {
namespace {

constexpr int kPatience_ms = std::chrono::milliseconds(kPatience).count();

class ControlStream : public ::testing::Test {
 protected:
  // With a place for each of 4096 frames: a reader that a busy machine does not let run loses none.
  [[nodiscard]] WriterOptions patient_writer() const {
    WriterOptions options = writer_options(dir.path());
    options.history_bytes = 8u << 20;
    options.slot_count = 4096;
    return options;
  }

  TempDir dir;
};

TEST_F(ControlStream, AReaderGetsEveryFrameWholeAndInOrder) {
  const BrokerThread broker(broker_options(dir.path()));
  StreamWriter writer(writer_options(dir.path()));
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    ASSERT_EQ(publish_pattern(writer, n), n);
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_EQ(frame.lost_before, 0u);
    EXPECT_TRUE(whole(frame, n));
  }
  EXPECT_EQ(reader.link(), Link::attached);
  EXPECT_EQ(reader.generation(), writer.generation());
}

TEST_F(ControlStream, AReaderThatCameBeforeBrokerAndProducerIsServedWhenTheyCome) {
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  EXPECT_EQ(reader.next(frame, 20ms), ReadResult::timeout);
  EXPECT_EQ(reader.link(), Link::no_broker);
  const BrokerThread broker(broker_options(dir.path()));
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(reader.next(frame, 50ms), ReadResult::timeout);
    return reader.link() == Link::no_stream;
  }));
  StreamWriter writer(writer_options(dir.path()));
  publish_pattern(writer, 1);
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_TRUE(whole(frame, 1));
}

TEST_F(ControlStream, LeasesAreServedAndFallBackToCopiesWhenTheCellsAreUsedUp) {
  const BrokerThread broker(broker_options(dir.path()));
  WriterOptions options = writer_options(dir.path());
  options.lease_cells = 2;
  StreamWriter writer(options);
  StreamReader reader(reader_options(dir.path()));
  std::vector<Frame> held;
  for (std::uint64_t n = 1; n <= 4; ++n) {
    publish_pattern(writer, n);
    Frame frame;
    ASSERT_TRUE(eventually([&] { return reader.lease_next(frame, 100ms) == ReadResult::frame; }));
    held.push_back(frame);
  }
  for (std::uint64_t n = 1; n <= 4; ++n) {
    EXPECT_TRUE(whole(held[n - 1], n));
    EXPECT_TRUE(reader.lease_valid(held[n - 1]));
    reader.release(held[n - 1]);
  }
}

TEST_F(ControlStream, TheOlderClaimantKeepsANameAndTheLaterTakesItOverAfterItsEnd) {
  const BrokerThread broker(broker_options(dir.path()));
  auto first = std::make_unique<StreamWriter>(writer_options(dir.path()));
  ASSERT_TRUE(eventually([&] { return first->announced(); }));
  StreamWriter second(writer_options(dir.path()));
  ASSERT_TRUE(eventually([&] { return !second.refusal().empty(); }));
  EXPECT_NE(second.refusal().find("keeps the name"), std::string::npos) << second.refusal();
  EXPECT_FALSE(second.announced());
  first.reset();
  EXPECT_TRUE(eventually([&] { return second.announced(); }));
  EXPECT_EQ(second.refusal(), "");
}

TEST_F(ControlStream, TheOlderClaimantKeepsItsNameThroughRestartsOfTheBroker) {
  auto broker = std::make_unique<BrokerProcess>(dir.path());
  const StreamWriter first(writer_options(dir.path()));
  ASSERT_TRUE(eventually([&] { return first.announced(); }));
  const StreamWriter second(writer_options(dir.path()));
  ASSERT_TRUE(eventually([&] { return !second.refusal().empty(); }));
  for (int restart = 0; restart < 6; ++restart) {
    broker->end(SIGKILL);
    ASSERT_TRUE(eventually([&] { return !first.announced(); }));
    broker = std::make_unique<BrokerProcess>(dir.path());
    ASSERT_TRUE(eventually([&] { return first.announced() || second.announced(); }));
    ASSERT_TRUE(first.announced()) << "after restart " << restart + 1;
  }
}

TEST_F(ControlStream, AReaderWithoutTheRightIsRefusedWithASentence) {
  BrokerOptions options = broker_options(dir.path());
  options.access.add("read:other/*:*");
  const BrokerThread broker(options);
  StreamWriter writer(writer_options(dir.path()));
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::refused);
  EXPECT_NE(reader.refusal().find("may not read 'cam/a'"), std::string::npos) << reader.refusal();
}

TEST_F(ControlStream, DemandAndKeyRequestsOfReadersReachTheProducer) {
  const BrokerThread broker(broker_options(dir.path()));
  StreamWriter writer(writer_options(dir.path()));
  ReaderOptions options = reader_options(dir.path());
  options.demand = false;
  StreamReader reader(options);
  Frame frame;
  publish_pattern(writer, 1);
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_TRUE(eventually([&] { return writer.demand().readers == 1; }));
  EXPECT_EQ(writer.demand().wanting, 0u);
  while (writer.wait_for_nudge(20ms)) continue;

  reader.set_demand(true);
  EXPECT_TRUE(writer.wait_for_nudge(kPatience));
  EXPECT_EQ(writer.demand().wanting, 1u);
  const std::uint64_t before = writer.demand().key_requests;
  std::this_thread::sleep_for(20ms);
  reader.request_key_frame();
  reader.request_key_frame();
  EXPECT_TRUE(writer.wait_for_nudge(kPatience));
  EXPECT_EQ(writer.demand().key_requests, before + 2);
  reader.report_backlog(3, 4000, 500);
  EXPECT_EQ(writer.demand().worst_backlog_bytes, 4000u);
  EXPECT_EQ(writer.demand().lowest_kbps, 500u);
  { const StreamReader gone = std::move(reader); }
  EXPECT_TRUE(eventually([&] { return writer.demand().readers == 0; }));
  EXPECT_EQ(writer.demand().key_requests, before + 2) << "requests of a gone reader stay counted";
}

class EventLoopReader : public ControlStream, public ::testing::WithParamInterface<Bell> {};

TEST_P(EventLoopReader, IsToldOfFramesBrokersAndProducersByOneDescriptor) {
  ReaderOptions options = reader_options(dir.path());
  options.bell = GetParam();
  StreamReader reader(options);
  const int fd = reader.event_fd();
  Frame frame;
  std::uint64_t got = 0;
  const auto pump = [&] {  // what an event loop does; only ever sleeps on the descriptor
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, kPatience_ms) <= 0) return false;
    while (reader.next(frame, 0ns) != ReadResult::timeout) got = frame.number;
    return true;
  };
  while (reader.next(frame, 0ns) != ReadResult::timeout) continue;
  const BrokerThread broker(broker_options(dir.path()));
  StreamWriter writer(writer_options(dir.path()));
  for (int i = 0; i < 50 && reader.link() != Link::attached; ++i) ASSERT_TRUE(pump());
  for (std::uint64_t n = 1; n <= 20; ++n) {
    publish_pattern(writer, n);
    for (int i = 0; i < 10 && got != n; ++i) ASSERT_TRUE(pump()) << "frame " << n;
    ASSERT_EQ(got, n);
  }
  EXPECT_EQ(reader.event_fd(), fd);
}

// It waits for a key frame, and others come whenever it is about to arm its bell: what it then
// leaves for later, it must be called for, since no bell will ring.
TEST_P(EventLoopReader, IsCalledAgainWhenFramesComeTooFastToArmTheBell) {
  const BrokerThread broker(broker_options(dir.path()));
  WriterOptions inter_coded = writer_options(dir.path());
  inter_coded.inter_coded = true;
  StreamWriter writer(inter_coded);
  ReaderOptions options = reader_options(dir.path());
  options.bell = GetParam();
  options.policy = Policy::live;
  options.start = Start::head;
  StreamReader reader(options);
  Frame frame;
  ASSERT_TRUE(eventually([&] {
    (void)reader.next(frame, 0ns);
    return reader.link() == Link::attached;
  }));
  std::atomic<bool> stop{false};
  std::uint64_t last = 0;
  std::thread publisher([&] {
    while (!stop) publish_pattern(writer, ++last, 0, 64);
    publish_pattern(writer, ++last, kFrameKey, 64);
  });
  const auto end = std::chrono::steady_clock::now() + 500ms;
  while (frame.number == 0) {
    stop = std::chrono::steady_clock::now() > end;
    ReadResult result = ReadResult::timeout;
    do result = reader.next(frame, 0ns);
    while (result != ReadResult::timeout && result != ReadResult::frame);
    pollfd ready{reader.event_fd(), POLLIN, 0};
    if (result == ReadResult::frame) break;
    const int events = ::poll(&ready, 1, kPatience_ms);
    EXPECT_EQ(events, 1) << "it sleeps while frames come";
    if (events != 1) break;
  }
  stop = true;
  publisher.join();
  EXPECT_EQ(frame.number, last);
}

// The last frame comes just before the end, at any moment of the reader's way through next().
TEST_P(EventLoopReader, IsGivenTheLastFrameBeforeTheEnd) {
  const BrokerThread broker(broker_options(dir.path()));
  ReaderOptions options = reader_options(dir.path());
  options.bell = GetParam();
  for (int life = 0; life < 60; ++life) {
    auto writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
    StreamReader reader(options);
    Frame frame;
    publish_pattern(*writer, 1);
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    std::thread end([&] {
      publish_pattern(*writer, 2);
      writer.reset();
    });
    ReadResult result = ReadResult::timeout;
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (result != ReadResult::frame && result != ReadResult::ended &&
           std::chrono::steady_clock::now() < limit) {
      result = reader.next(frame, 0ns);
    }
    end.join();
    ASSERT_EQ(result, ReadResult::frame) << "life " << life;
    EXPECT_TRUE(whole(frame, 2));
  }
}

INSTANTIATE_TEST_SUITE_P(Bells, EventLoopReader, ::testing::Values(Bell::line, Bell::eventfd));

class ReaderOfADeadProducer : public ControlStream {
 protected:
  // How long its successor's first frame takes to come to a reader that sleeps.
  std::int64_t successor_comes_after_ms();
};

std::int64_t ReaderOfADeadProducer::successor_comes_after_ms() {
  const BrokerThread broker(broker_options(dir.path()));
  auto writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
  ReaderOptions options = reader_options(dir.path());
  options.start = Start::key;
  StreamReader reader(options);
  Frame frame;
  publish_pattern(*writer, 1);
  EXPECT_EQ(next_frame(reader, frame), ReadResult::frame);
  std::atomic<std::int64_t> delay_ms{-1};
  std::atomic<bool> ended{false};
  std::chrono::steady_clock::time_point announced;
  std::thread consumer([&] {
    for (;;) {
      const ReadResult result = reader.next(frame, kPatience);
      if (result == ReadResult::ended) ended = true;
      if (result == ReadResult::frame) break;
      if (result == ReadResult::timeout) return;
    }
    delay_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - announced)
                   .count();
  });
  std::this_thread::sleep_for(300ms);  // asleep for good
  writer.reset();
  std::this_thread::sleep_for(100ms);
  announced = std::chrono::steady_clock::now();
  writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
  publish_pattern(*writer, 1);
  consumer.join();
  EXPECT_TRUE(ended);
  EXPECT_GE(delay_ms, 0);
  EXPECT_EQ(frame.number, 1u);
  EXPECT_TRUE(frame.key());
  EXPECT_EQ(frame.generation, writer->generation());
  return delay_ms;
}

// A busy machine is late now and then, but not every time.
TEST_F(ReaderOfADeadProducer, GoesOnWithItsPromptSuccessorAlthoughItSleepsOnItsFutex) {
  std::int64_t delay_ms = 1000;
  for (int attempt = 0; attempt < 5 && delay_ms >= 1000; ++attempt) {
    delay_ms = successor_comes_after_ms();
  }
  RecordProperty("delay_ms", std::to_string(delay_ms));
  EXPECT_LT(delay_ms, 1000) << "the successor must not wait for the reader's own look at its line";
}

// A process that publishes numbered frames, 200 a second, until it is killed.
pid_t spawn_producer(const WriterOptions& options) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  StreamWriter writer(options);
  for (std::uint64_t n = 1;; ++n) {
    publish_pattern(writer, n, n % 10 == 1 ? kFrameKey : 0);
    std::this_thread::sleep_for(5ms);
  }
}

TEST_F(ControlStream, AReaderGoesOnByItselfWhenItsProducerIsKilledAndRestarted) {
  const BrokerProcess broker(dir.path());
  StreamReader reader(reader_options(dir.path()));
  pid_t producer = spawn_producer(patient_writer());
  Frame frame;
  std::uint64_t generation = 0;
  std::int64_t worst_ms = 0;
  for (int life = 0; life < 5; ++life) {
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    generation = frame.generation;
    for (int i = 0; i < 30; ++i) {
      ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
      ASSERT_TRUE(whole(frame, frame.number));
      ASSERT_EQ(frame.lost_before, 0u);
    }
    ::kill(producer, SIGKILL);
    ::waitpid(producer, nullptr, 0);
    producer = spawn_producer(patient_writer());
    const auto restarted = std::chrono::steady_clock::now();
    while (frame.generation == generation) {
      ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    }
    const auto gap = std::chrono::steady_clock::now() - restarted;
    worst_ms =
        std::max(worst_ms, std::chrono::duration_cast<std::chrono::milliseconds>(gap).count());
    EXPECT_TRUE(frame.key());
    EXPECT_EQ(frame.number, 1u) << "a reader of every frame begins at the first";
  }
  ::kill(producer, SIGKILL);
  ::waitpid(producer, nullptr, 0);
  RecordProperty("worst_gap_ms", std::to_string(worst_ms));
}

TEST_F(ControlStream, FramesPublishedBeforeTheProducersEndAreDeliveredAfterIt) {
  const BrokerThread broker(broker_options(dir.path()));
  auto writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  publish_pattern(*writer, 1);
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  for (std::uint64_t n = 2; n <= 50; ++n) publish_pattern(*writer, n);
  writer.reset();
  std::this_thread::sleep_for(50ms);
  for (std::uint64_t n = 2; n <= 50; ++n) {
    ASSERT_EQ(reader.next(frame, kPatience), ReadResult::frame);
    ASSERT_TRUE(whole(frame, n));
  }
  EXPECT_EQ(reader.next(frame, kPatience), ReadResult::ended);
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(reader.next(frame, 50ms), ReadResult::timeout);
    return reader.link() == Link::no_stream;
  }));
}

TEST_F(ControlStream, AReaderThatComesAfterTheEndIsGivenTheHistoryFirst) {
  const BrokerThread broker(broker_options(dir.path()));
  StreamWriter writer(writer_options(dir.path()));
  for (std::uint64_t n = 1; n <= 10; ++n) publish_pattern(writer, n);
  writer.set_state(SourceState::ended);
  ASSERT_TRUE(eventually([&] { return writer.announced(); }));
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  for (std::uint64_t n = 1; n <= 10; ++n) {
    ASSERT_EQ(reader.next(frame, kPatience), ReadResult::frame);
    EXPECT_TRUE(whole(frame, n));
  }
  EXPECT_EQ(reader.next(frame, kPatience), ReadResult::ended);
}

TEST_F(ControlStream, NoFrameIsLostWhenTheBrokerIsKilledAndRestartedFiveTimes) {
  auto broker = std::make_unique<BrokerProcess>(dir.path());
  StreamWriter writer(patient_writer());
  ASSERT_TRUE(eventually([&] { return writer.announced(); }));
  constexpr std::uint64_t kFrames = 1500;
  std::atomic<std::uint64_t> attached{0};
  const auto consume = [&](Bell bell, bool lease, std::uint64_t& good, std::uint64_t& lost) {
    ReaderOptions options = reader_options(dir.path());
    options.bell = bell;
    StreamReader reader(options);
    Frame frame;
    while (frame.number < kFrames) {
      const ReadResult result =
          lease ? reader.lease_next(frame, kPatience) : reader.next(frame, kPatience);
      if (result == ReadResult::timeout) return;
      if (result != ReadResult::frame) continue;
      if (frame.number == 1) ++attached;
      lost += frame.lost_before;
      if (whole(frame, frame.number) && reader.lease_valid(frame)) ++good;
      reader.release(frame);
    }
  };
  std::uint64_t good[3] = {}, lost[3] = {};
  std::thread readers[] = {std::thread([&] { consume(Bell::futex, false, good[0], lost[0]); }),
                           std::thread([&] { consume(Bell::line, false, good[1], lost[1]); }),
                           std::thread([&] { consume(Bell::eventfd, true, good[2], lost[2]); })};
  publish_pattern(writer, 1);
  EXPECT_TRUE(eventually([&] { return attached == 3; }));
  for (std::uint64_t n = 2; n <= kFrames; ++n) {
    publish_pattern(writer, n);
    std::this_thread::sleep_for(2ms);
    if (n % 250 == 125 && n < 1400) {
      broker->end(SIGKILL);
      std::this_thread::sleep_for(50ms);
      broker = std::make_unique<BrokerProcess>(dir.path());
    }
    if (n % 250 == 240) {
      EXPECT_TRUE(eventually([&] { return writer.announced(); }));
      StreamReader late(reader_options(dir.path()));  // newcomers are served after each restart
      Frame frame;
      EXPECT_EQ(next_frame(late, frame), ReadResult::frame);
    }
  }
  for (std::thread& reader : readers) reader.join();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(good[i], kFrames) << "reader " << i;
    EXPECT_EQ(lost[i], 0u) << "reader " << i;
  }
}

TEST_F(ControlStream, AClaimedReaderOutlivesTheTimeLimitForClaims) {
  auto broker = std::make_unique<BrokerProcess>(dir.path());
  StreamWriter writer(writer_options(dir.path()));
  ReaderOptions by_line = reader_options(dir.path());
  by_line.bell = Bell::line;
  StreamReader reader(by_line);
  Frame frame;
  publish_pattern(writer, 1);
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  broker->end(SIGKILL);
  broker = std::make_unique<BrokerProcess>(dir.path());
  const auto end = std::chrono::steady_clock::now() + 6s;
  for (std::uint64_t n = 2; std::chrono::steady_clock::now() < end; ++n) {
    publish_pattern(writer, n);
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    ASSERT_EQ(frame.number, n);
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(writer.demand().readers, 1u);
  OperatorClient client(dir.path());
  const StreamStat stat = client.stat("cam/a");
  ASSERT_EQ(stat.readers.size(), 1u);
  EXPECT_EQ(stat.readers[0].bell, Bell::line);
}

class Knob : public SettingsHandler {
 public:
  std::vector<SettingValue> settings() override { return {{"gop", value, "1..100", "frames"}}; }
  std::string change(std::span<const std::pair<std::string, std::string>> values) override {
    if (values[0].first != "gop") return "no setting '" + values[0].first + "'; there is: gop";
    value = values[0].second;
    return {};
  }
  std::string value = "30";
};

TEST_F(ControlStream, AnOperatorSeesNumbersAndChangesSettings) {
  const BrokerThread broker(broker_options(dir.path()));
  Knob knob;
  WriterOptions options = writer_options(dir.path());
  options.settings = &knob;
  StreamWriter writer(options);
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  for (std::uint64_t n = 1; n <= 10; ++n) publish_pattern(writer, n);
  writer.set_state(SourceState::live);
  for (int i = 0; i < 7; ++i) ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);

  OperatorClient client(dir.path());
  const auto streams = client.list();
  ASSERT_EQ(streams.size(), 1u);
  EXPECT_EQ(streams[0].name, "cam/a");
  EXPECT_EQ(streams[0].head, 10u);
  EXPECT_EQ(streams[0].state, SourceState::live);
  EXPECT_EQ(streams[0].program, "test 1.0");
  EXPECT_EQ(streams[0].producer_pid, static_cast<std::uint32_t>(::getpid()));
  const StreamStat stat = client.stat("cam/a");
  EXPECT_EQ(stat.stream.bytes_published, 10'000u);
  ASSERT_EQ(stat.readers.size(), 1u);
  EXPECT_EQ(stat.readers[0].delivered, 7u);
  EXPECT_EQ(stat.readers[0].read_to, 7u);
  EXPECT_EQ(stat.readers[0].name, "test reader");
  EXPECT_NE(stat.readers[0].id, 0u);

  EXPECT_EQ(client.change("cam/a", {}).at(0).value, "30");
  EXPECT_EQ(client.change("cam/a", {{"gop", "60"}}).at(0).value, "60");
  try {
    client.change("cam/a", {{"colour", "red"}});
    FAIL() << "an unknown setting was taken";
  } catch (const OperatorError& error) {
    EXPECT_EQ(error.kind(), OperatorError::Kind::refused);
    EXPECT_STREQ(error.what(), "no setting 'colour'; there is: gop");
  }
  EXPECT_THROW((void)client.stat("cam/none"), OperatorError);
  EXPECT_THROW(OperatorClient(dir.path() + "/nowhere"), OperatorError);
}

// Voluntary context switches of a thread: how often it was woken.
long wakeups(const std::string& status) {
  std::ifstream file(status);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("voluntary_ctxt_switches:", 0) == 0) return std::stol(line.substr(24));
  }
  return -1;
}

long rss_anon_kib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return std::stol(line.substr(8));
  }
  return -1;
}

TEST_F(ControlStream, TheBrokerSleepsWhileNothingHappensAndStaysSmallWith64Readers) {
  BrokerProcess broker(dir.path());
  StreamWriter writer(writer_options(dir.path()));
  publish_pattern(writer, 1);
  std::vector<std::unique_ptr<StreamReader>> readers;
  Frame frame;
  for (int i = 0; i < 64; ++i) {
    readers.push_back(std::make_unique<StreamReader>(reader_options(dir.path())));
    ASSERT_EQ(next_frame(*readers.back(), frame), ReadResult::frame) << "reader " << i;
  }
  StreamReader surplus(reader_options(dir.path()));
  EXPECT_EQ(surplus.next(frame, 100ms), ReadResult::timeout);  // the limit, tried again later
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // their shadow is private memory
  EXPECT_LE(rss_anon_kib(broker.pid()), 2048);
#endif
  RecordProperty("rss_anon_kib", std::to_string(rss_anon_kib(broker.pid())));
  const std::string status = "/proc/" + std::to_string(broker.pid()) + "/status";
  // Whatever the last reader set in motion has to end first.
  EXPECT_TRUE(eventually([&] {
    const long before = wakeups(status);
    std::this_thread::sleep_for(2s);
    return wakeups(status) == before;
  })) << "it wakes up again and again";
}

TEST_F(ControlStream, AnIdleReaderWakesAtMostAboutOnceASecond) {
  for (const bool with_broker : {true, false}) {
    std::unique_ptr<BrokerThread> broker;
    if (with_broker) broker = std::make_unique<BrokerThread>(broker_options(dir.path()));
    std::unique_ptr<StreamWriter> writer;
    if (with_broker) writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
    StreamReader reader(reader_options(dir.path()));
    Frame frame;
    (void)reader.next(frame, 2s);  // the first tries are quick ones
    // A busy machine has it wait for a lock now and then, which counts as well.
    EXPECT_TRUE(eventually([&] {
      const long before = wakeups("/proc/thread-self/status");
      while (reader.next(frame, 3s) == ReadResult::state_changed) continue;
      return wakeups("/proc/thread-self/status") - before <= 5;
    })) << (with_broker ? "with a broker" : "without a broker");
  }
}

}  // namespace
}  // namespace framering::test
