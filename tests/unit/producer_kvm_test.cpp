// SPDX-License-Identifier: Apache-2.0
//
// The kvm source on the stand-in for the vendor's library, through a broker, to readers. The
// stand-in ends this process when the vendor's rules are broken.
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>

#include "control/operator_client.h"
#include "control_fixture.h"
#include "pipeline.h"
#include "ring/clock.h"
#include "sources/kvm_mmf.h"

namespace framering::test {
namespace {

// What framering-producer --source kvm does, on a thread of its own.
class KvmProducer {
 public:
  explicit KvmProducer(const Options& options)
      : thread_([this, options] {
          Watchdog watchdog(stop_, 20'000'000'000);
          KvmSource source(options, stop_, watchdog);
          std::vector<Output> outputs;
          for (WriterOptions& stream : source.streams()) {
            framering::apply(options, stream);
            outputs.emplace_back(stream);
          }
          Pipeline pipeline(source, outputs, stop_, watchdog, {0, 500'000'000, 0});
          pipeline.run();
        }) {}
  ~KvmProducer() {
    stop_.request();
    thread_.join();
  }
  KvmProducer(const KvmProducer&) = delete;
  KvmProducer& operator=(const KvmProducer&) = delete;

 private:
  StopSignal stop_;
  std::thread thread_;
};

class ProducerKvm : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("KVM_STANDIN_DIR");
    ASSERT_NE(folder, nullptr) << "KVM_STANDIN_DIR names the folder with libkvm_mmf.so";
    options.source = SourceKind::kvm;
    options.stream = "hdmi";
    options.library = std::string(folder) + "/libkvm_mmf.so";
    options.socket_dir = dir.path();
    options.width = 640;
    options.height = 384;
    control = dir.path() + "/standin.sock";
    ::setenv("KVM_STANDIN_CONTROL", control.c_str(), 1);
    broker = std::make_unique<BrokerThread>(broker_options(dir.path()));
  }

  void inject(const std::string& command) const {
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, control.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::sendto(socket.get(), command.data(), command.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), sizeof address),
              static_cast<ssize_t>(command.size()))
        << command;
  }

  // Reads on until the source says `state`.
  static bool reaches(StreamReader& reader, SourceState state) {
    Frame frame;
    return eventually([&] {
      (void)reader.next(frame, 20ms);
      return reader.state() == state;
    });
  }

  // The state follows the first picture: a reader may have the one before the other is said.
  static bool becomes_live(const StreamReader& reader) {
    return eventually([&] { return reader.state() == SourceState::live; });
  }

  // What was captured in so many seconds from now on, however late a busy machine hands it out.
  struct Stretch {
    int pictures = 0;
    int keys = 0;
    int repeated = 0;  // with the bytes of the one before
  };
  static Stretch read_for(
      StreamReader& reader, double seconds, const std::function<void()>& meanwhile = [] {}) {
    const std::uint64_t begin_ns = monotonic_ns();
    const std::uint64_t end_ns = begin_ns + static_cast<std::uint64_t>(seconds * 1e9);
    Stretch seen;
    Frame frame;
    std::vector<std::byte> before;
    EXPECT_TRUE(eventually([&] {
      meanwhile();
      if (reader.next(frame, 1ms) != ReadResult::frame) return false;
      if (frame.meta.captured_ns >= end_ns) return true;
      if (frame.meta.captured_ns < begin_ns) return false;
      ++seen.pictures;
      seen.keys += frame.key() ? 1 : 0;
      seen.repeated += std::ranges::equal(before, frame.bytes) ? 1 : 0;
      before.assign(frame.bytes.begin(), frame.bytes.end());
      return false;
    }));
    return seen;
  }

  TempDir dir;
  Options options;
  std::string control;
  std::unique_ptr<BrokerThread> broker;
};

TEST_F(ProducerKvm, BothStreamsRunSideBySideAndAreComplete) {
  const KvmProducer producer(options);
  StreamReader h264(reader_options(dir.path(), "hdmi/h264"));
  StreamReader mjpeg(reader_options(dir.path(), "hdmi/mjpeg"));
  Frame frame;
  for (std::uint64_t n = 1; n <= 45; ++n) {
    ASSERT_EQ(next_frame(h264, frame), ReadResult::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_EQ(frame.lost_before, 0u);
    EXPECT_EQ(frame.meta.width, 640u);
    if (n == 1) {
      EXPECT_TRUE(frame.key());
      EXPECT_NE(frame.meta.flags & kFrameHasParameters, 0u);
      EXPECT_FALSE(h264.parameter_set(frame.meta.parameter_set).empty());
    }
    ASSERT_EQ(next_frame(mjpeg, frame), ReadResult::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_TRUE(frame.key());
    EXPECT_EQ(frame.meta.height, 384u);
  }
}

TEST_F(ProducerKvm, WhatNobodyWantsIsNotEncoded) {
  const KvmProducer producer(options);
  StreamReader mjpeg(reader_options(dir.path(), "hdmi/mjpeg"));
  Frame frame;
  for (int i = 0; i < 10; ++i) ASSERT_EQ(next_frame(mjpeg, frame), ReadResult::frame);
  OperatorClient client(dir.path());
  EXPECT_EQ(client.stat("hdmi/h264").stream.head, 0u);
  mjpeg.set_demand(false);
  EXPECT_TRUE(eventually([&] { return mjpeg.state() == SourceState::idle; }));
  mjpeg.set_demand(true);
  ASSERT_EQ(next_frame(mjpeg, frame), ReadResult::frame);
}

TEST_F(ProducerKvm, AStormOfKeyRequestsCostsAtMostTwoKeyFramesASecond) {
  options.gop = 100;
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  const std::uint64_t began_ns = monotonic_ns();
  const int keys = read_for(reader, 4, [&] { reader.request_key_frame(); }).keys;
  const double storm_s = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
  EXPECT_LE(keys, 9) << "two a second, and one that was on its way";
  EXPECT_GE(keys, 4);
  EXPECT_LE(read_for(reader, 2).keys, 2) << "the storm is over";
  OperatorClient client(dir.path());
  const StreamStat stat = client.stat("hdmi/h264");
  EXPECT_GT(stat.key_requests_wanted, 100u);
  EXPECT_LE(static_cast<double>(stat.key_requests_granted), 2 * storm_s + 1);
}

TEST_F(ProducerKvm, EachFaultIsNamedAndThePictureComesBack) {
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  const std::pair<const char*, SourceState> faults[] = {
      {"no_signal 60", SourceState::no_signal},
      {"unsupported_resolution 60", SourceState::unsupported_resolution},
      {"encoder_error 1000", SourceState::encoder_error},
      {"resolution 1024x768", SourceState::changing_resolution},
      {"big_key_always 2000000", SourceState::frame_too_large}};
  for (const auto& [command, state] : faults) {
    // A busy machine is late now and then, but not every time.
    std::chrono::nanoseconds took = 2s;
    for (int attempt = 0; attempt < 4 && took >= 2s; ++attempt) {
      ASSERT_EQ(next_frame(reader, frame), ReadResult::frame) << command;
      inject(command);
      ASSERT_TRUE(reaches(reader, state)) << command;
      if (state != SourceState::changing_resolution) inject("ok");  // that one ends by itself
      const auto began = std::chrono::steady_clock::now();
      ASSERT_TRUE(reaches(reader, SourceState::live)) << command;
      ASSERT_EQ(next_frame(reader, frame), ReadResult::frame) << command;
      took = std::chrono::steady_clock::now() - began;
    }
    EXPECT_LT(took, 2s) << command;
  }
  EXPECT_EQ(frame.meta.width, 1024u);
}

TEST_F(ProducerKvm, OneFrameThatIsTooLargeCostsOneKeyRequest) {
  options.gop = 100;
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  for (int i = 0; i < 5; ++i) ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  inject("big_key 2000000");
  reader.request_key_frame();
  ASSERT_TRUE(eventually([&] {
    (void)reader.next(frame, 20ms);
    return OperatorClient(dir.path()).stat("hdmi/h264").frames_too_large == 1;
  }));
  do {
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  } while (!frame.key());
  EXPECT_TRUE(becomes_live(reader));
  EXPECT_EQ(OperatorClient(dir.path()).stat("hdmi/h264").frames_too_large, 1u);
}

TEST_F(ProducerKvm, SettingsHoldFromTheNextPictureForBothStreams) {
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  OperatorClient client(dir.path());
  (void)client.change("hdmi/mjpeg", {{"size", "512x320"}, {"gop", "5"}, {"fps", "50"}});
  do {
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  } while (frame.meta.width != 512);
  EXPECT_TRUE(frame.key());
  EXPECT_NE(frame.meta.flags & kFrameDiscontinuity, 0u);
  for (int i = 1; i <= 10; ++i) {
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    EXPECT_EQ(frame.key(), i % 5 == 0) << i;
  }
  try {
    (void)client.change("hdmi/h264", {{"bitrate-kbps", "20"}});
    ADD_FAILURE() << "20 kbit/s were taken";
  } catch (const OperatorError& error) {
    EXPECT_NE(std::string(error.what()).find("500..10000 kbit/s"), std::string::npos);
  }
}

TEST_F(ProducerKvm, SwitchingHdmiOffStopsThePicturesUntilItIsOnAgain) {
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  for (int i = 0; i < 5; ++i) ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  OperatorClient client(dir.path());
  (void)client.change("hdmi/h264", {{"hdmi", "off"}});
  ASSERT_TRUE(reaches(reader, SourceState::no_signal));
  const std::uint64_t last = client.stat("hdmi/h264").stream.head;
  while (reader.next(frame, 20ms) == ReadResult::frame) {
  }
  EXPECT_EQ(reader.next(frame, 500ms), ReadResult::timeout);
  EXPECT_EQ(client.stat("hdmi/h264").stream.head, last);
  (void)client.change("hdmi/mjpeg", {{"hdmi", "on"}});
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_EQ(frame.number, last + 1);
  EXPECT_TRUE(frame.key());
  EXPECT_NE(frame.meta.flags & kFrameDiscontinuity, 0u);
  EXPECT_TRUE(becomes_live(reader));
}

TEST_F(ProducerKvm, HdmiIsSwitchedAlthoughNobodyWatches) {
  const KvmProducer producer(options);
  OperatorClient client(dir.path());
  const auto becomes = [&](SourceState state) {
    return eventually([&] { return client.stat("hdmi/mjpeg").stream.state == state; });
  };
  ASSERT_TRUE(eventually([&] { return client.list().size() == 2; }));
  ASSERT_TRUE(becomes(SourceState::idle));
  (void)client.change("hdmi/h264", {{"hdmi", "off"}});
  EXPECT_TRUE(becomes(SourceState::no_signal));
  (void)client.change("hdmi/h264", {{"hdmi", "on"}});
  EXPECT_TRUE(becomes(SourceState::idle));
}

TEST_F(ProducerKvm, FrameDetectionLeavesOutPicturesThatDidNotChange) {
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/mjpeg"));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  inject("still on");
  EXPECT_TRUE(eventually([&] { return read_for(reader, 1).repeated >= 15; }))
      << "it is off unless asked for";
  OperatorClient client(dir.path());
  (void)client.change("hdmi/mjpeg", {{"frame-detect", "on"}});
  int still = 0;
  EXPECT_TRUE(eventually([&] {  // two a second: again now and then, for whoever comes
    still = read_for(reader, 2).pictures;
    return still >= 2 && still <= 5;
  })) << still;
  EXPECT_TRUE(becomes_live(reader));
  inject("still off");
  EXPECT_TRUE(eventually([&] { return read_for(reader, 1).pictures >= 15; }));
}

// Counted in pictures: between two key frames of the encoder's own lie a hundred.
TEST_F(ProducerKvm, TheFirstChangeAfterAStillPictureBringsAKeyFrame) {
  options.gop = 100;
  options.bitrate_kbps = 500;
  options.fps = 20;
  constexpr std::size_t kUsualBytes = 500 * 125 / 20;
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  std::uint64_t last_key = 0;
  std::uint64_t quiet_since_ns = 0;
  const auto next = [&] {
    if (frame.key()) last_key = frame.number;
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
    ASSERT_EQ(frame.lost_before, 0u);
    const bool quiet = !frame.key() && frame.bytes.size() < kUsualBytes / 8;
    if (!quiet && !frame.key()) quiet_since_ns = 0;
    if (quiet && quiet_since_ns == 0) quiet_since_ns = frame.meta.captured_ns;
  };
  next();
  bool early = false;
  for (int attempt = 0; attempt < 5 && !early;
       ++attempt) {  // the encoder's own may be due just then
    inject("still on");
    do next();  // until it has been still for longer than it must
    while (!HasFatalFailure() &&
           (quiet_since_ns == 0 || frame.meta.captured_ns - quiet_since_ns < 2'200'000'000));
    inject("still off");
    std::uint64_t changed = 0;  // the first picture that is another
    do {
      next();
      if (changed == 0 && frame.bytes.size() > kUsualBytes / 4) changed = frame.number;
    } while (!HasFatalFailure() && !(changed != 0 && frame.key()));
    early = frame.number - last_key < 100 && frame.number - changed <= 8;
  }
  EXPECT_TRUE(early);
}

}  // namespace
}  // namespace framering::test
