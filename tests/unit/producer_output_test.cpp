// SPDX-License-Identifier: Apache-2.0
//
// What an Output does to pictures on their way into the ring: no reader is handed one that it
// cannot decode.
#include "output.h"

#include <array>

#include "control/operator_client.h"
#include "control_fixture.h"
#include "ring/clock.h"

namespace framering::test {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

const Bytes kSps = bytes_of({0,    0,    0,    1,    0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9,
                             0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
                             0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60});
const Bytes kPps = bytes_of({0, 0, 0, 1, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0});
const Bytes kIdr = bytes_of({0, 0, 0, 1, 0x65, 0x88, 0x84, 0x00, 0x33});
const Bytes kP = bytes_of({0, 0, 0, 1, 0x41, 0x9a, 0x24, 0x6c});

constexpr std::uint64_t kSecond = 1'000'000'000;

class ProducerOutput : public ::testing::Test {
 protected:
  static WriterOptions h264(const std::string& dir) {
    WriterOptions options = writer_options(dir, "cam/h264");
    options.codec = kCodecH264;
    options.inter_coded = true;
    options.max_frame_bytes = 1000;
    return options;
  }
  static Bytes large(Bytes picture) {
    picture.resize(2000, std::byte{0x55});
    return picture;
  }
  Output::Published publish(std::initializer_list<Bytes> pieces) {
    std::vector<Output::Bytes> spans;
    for (const Bytes& piece : pieces) spans.emplace_back(piece);
    return output.publish(spans, {});
  }

  TempDir dir;
  BrokerThread broker{broker_options(dir.path())};
  Output output{h264(dir.path())};
  StreamReader reader{reader_options(dir.path(), "cam/h264")};
};

TEST_F(ProducerOutput, NothingIsPublishedBeforeTheFirstKeyFrameWithItsParameterSets) {
  EXPECT_EQ(publish({kP}), Output::Published::waits_for_key);
  EXPECT_EQ(publish({kIdr}), Output::Published::waits_for_key) << "no SPS";
  EXPECT_EQ(publish({kSps, kPps}), Output::Published::no_picture);
  EXPECT_EQ(publish({bytes_of({1, 2, 3})}), Output::Published::no_picture);
  EXPECT_EQ(publish({}), Output::Published::no_picture);
  EXPECT_EQ(output.pictures(), 0u);
  EXPECT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  EXPECT_EQ(publish({kP}), Output::Published::yes);
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_EQ(frame.number, 1u);
  EXPECT_TRUE(frame.key());
  EXPECT_EQ(frame.bytes.size(), kSps.size() + kPps.size() + kIdr.size());
  EXPECT_EQ(frame.meta.width, 320u);
}

TEST_F(ProducerOutput, AKeyFrameWithoutParameterSetsIsGivenThem) {
  ASSERT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  ASSERT_EQ(publish({kIdr}), Output::Published::yes);
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  const Bytes first(frame.bytes.begin(), frame.bytes.end());
  const std::uint64_t set = frame.meta.parameter_set;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_EQ(Bytes(frame.bytes.begin(), frame.bytes.end()), first);
  EXPECT_NE(frame.meta.flags & kFrameHasParameters, 0u);
  EXPECT_EQ(frame.meta.parameter_set, set);
  const std::vector<std::byte> sets = reader.parameter_set(set);
  EXPECT_EQ(sets.size(), kSps.size() + kPps.size());
}

TEST_F(ProducerOutput, AfterAFrameThatDidNotFitNothingComesUntilTheNextKeyFrame) {
  ASSERT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  EXPECT_FALSE(output.take_key_request(kSecond));
  EXPECT_EQ(publish({large(kP)}), Output::Published::too_large);
  EXPECT_TRUE(output.take_key_request(kSecond)) << "a key frame is asked for";
  EXPECT_EQ(publish({kP}), Output::Published::waits_for_key);
  EXPECT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  EXPECT_FALSE(output.take_key_request(10 * kSecond));
  EXPECT_FALSE(output.take_quality_complaint());
}

TEST_F(ProducerOutput, KeyFramesThatNeverFitAreNotAskedForInALoop) {
  output.set_state(SourceState::live);
  ASSERT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  EXPECT_EQ(publish({kSps, kPps, large(kIdr)}), Output::Published::too_large);
  EXPECT_TRUE(output.take_key_request(kSecond));
  EXPECT_FALSE(output.take_quality_complaint());
  EXPECT_EQ(publish({kSps, kPps, large(kIdr)}), Output::Published::too_large);
  EXPECT_TRUE(output.take_quality_complaint());
  for (std::uint64_t s = 2; s < 20; ++s) {
    output.ask_for_key();
    EXPECT_FALSE(output.take_key_request(s * kSecond));
  }
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_EQ(reader.state(), SourceState::frame_too_large);
  EXPECT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  EXPECT_EQ(frame.number, 2u);
  EXPECT_EQ(reader.state(), SourceState::live);
  EXPECT_EQ(OperatorClient(dir.path()).stat("cam/h264").frames_too_large, 2u);
}

TEST_F(ProducerOutput, WhoJoinsWithoutAKeyFrameInTheHistoryGetsOneAskedFor) {
  const auto joins = [&](std::uint64_t now_ns) {
    const StreamReader another(reader_options(dir.path(), "cam/h264"));
    const std::uint32_t before = output.demand().readers;
    return eventually([&] {
      output.look_at_demand(now_ns += kSecond);
      return output.demand().readers > before;
    });
  };
  ASSERT_EQ(publish({kSps, kPps, kIdr}), Output::Published::yes);
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::frame);
  ASSERT_TRUE(joins(kSecond));
  EXPECT_FALSE(output.take_key_request(1000 * kSecond)) << "the key frame is in the history";
  for (int i = 0; i < 300; ++i) ASSERT_EQ(publish({kP}), Output::Published::yes);
  ASSERT_TRUE(eventually([&] {
    output.look_at_demand(monotonic_ns());
    return output.demand().readers == 1;
  }));
  (void)output.take_key_request(2000 * kSecond);
  ASSERT_TRUE(joins(monotonic_ns()));
  EXPECT_TRUE(output.take_key_request(3000 * kSecond));
}

}  // namespace
}  // namespace framering::test
