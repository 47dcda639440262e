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

  // Reads on until the source says `state`, or five seconds are over.
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

  // Of `reader`, over `seconds`.
  static int key_frames(StreamReader& reader, double seconds, bool asking) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    Frame frame;
    int keys = 0;
    while (std::chrono::steady_clock::now() < end) {
      if (asking) reader.request_key_frame();
      if (reader.next(frame, 1ms) == ReadResult::frame && frame.key()) ++keys;
    }
    return keys;
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
  const int keys = key_frames(reader, 4, true);
  EXPECT_LE(keys, 8);
  EXPECT_GE(keys, 4);
  EXPECT_LE(key_frames(reader, 2, false), 2) << "the storm is over";
  OperatorClient client(dir.path());
  const StreamStat stat = client.stat("hdmi/h264");
  EXPECT_GT(stat.key_requests_wanted, 100u);
  EXPECT_LE(stat.key_requests_granted, 9u);
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
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame) << command;
    inject(command);
    EXPECT_TRUE(reaches(reader, state)) << command;
    if (state != SourceState::changing_resolution) inject("ok");  // that one ends by itself
    const auto began = std::chrono::steady_clock::now();
    EXPECT_TRUE(reaches(reader, SourceState::live)) << command;
    ASSERT_EQ(next_frame(reader, frame), ReadResult::frame) << command;
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s) << command;
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
  const auto pictures_in = [&](std::chrono::milliseconds time) {
    Frame frame;
    int pictures = 0;
    for (const auto end = std::chrono::steady_clock::now() + time;
         std::chrono::steady_clock::now() < end;) {
      if (reader.next(frame, 10ms) == ReadResult::frame) ++pictures;
    }
    return pictures;
  };
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  inject("still on");
  (void)pictures_in(300ms);
  EXPECT_GE(pictures_in(1000ms), 15) << "it is off unless asked for";
  OperatorClient client(dir.path());
  (void)client.change("hdmi/mjpeg", {{"frame-detect", "on"}});
  (void)pictures_in(300ms);
  const int still = pictures_in(2000ms);
  EXPECT_LE(still, 5);
  EXPECT_GE(still, 2) << "again now and then, for whoever comes";
  EXPECT_TRUE(becomes_live(reader));
  inject("still off");
  (void)pictures_in(300ms);
  EXPECT_GE(pictures_in(1000ms), 15);
}

TEST_F(ProducerKvm, TheFirstChangeAfterAStillPictureBringsAKeyFrame) {
  options.gop = 100;
  options.bitrate_kbps = 500;
  const KvmProducer producer(options);
  StreamReader reader(reader_options(dir.path(), "hdmi/h264"));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  inject("still on");
  (void)key_frames(reader, 2.8, false);
  inject("still off");
  EXPECT_GE(key_frames(reader, 0.4, false), 1);
}

}  // namespace
}  // namespace framering::test
