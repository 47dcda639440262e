// SPDX-License-Identifier: Apache-2.0
#include "control/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>

#include "control/names.h"
#include "control/ready.h"
#include "control/socket_path.h"

namespace framering {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class ChannelPair : public ::testing::Test {
 protected:
  ChannelPair() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    raw = pair[0];
    left = Channel(Fd(pair[0]));
    right = Channel(Fd(pair[1]));
  }
  ~ChannelPair() noexcept override = default;  // Cap'n Proto's own destructors promise less

  // A datagram past the Channel, with `count` descriptors.
  void send_raw(const void* bytes, std::size_t size, std::size_t count = 0) const {
    iovec part{const_cast<void*>(bytes), size};
    std::vector<int> descriptors(count, raw);
    std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (count != 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(count * sizeof(int));
      std::memcpy(CMSG_DATA(rights), descriptors.data(), count * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(raw, &header, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }

  int raw = -1;
  Channel left, right;
  Inbox inbox;
};

TEST_F(ChannelPair, CarriesAMessageWithItsDescriptors) {
  Draft draft(7);
  draft->initRefused().setText("no");
  ASSERT_TRUE(left.send(draft, {raw, raw}));
  ASSERT_EQ(right.receive(inbox), Received::message);
  EXPECT_EQ(inbox.message().getRequest(), 7u);
  EXPECT_STREQ(inbox.message().getRefused().getText().cStr(), "no");
  ASSERT_EQ(inbox.descriptors(), 2u);
  EXPECT_EQ(::fcntl(inbox.descriptor(1), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(inbox.descriptor(2), -1);
  EXPECT_EQ(right.receive(inbox), Received::nothing);
  left.close();
  EXPECT_EQ(right.receive(inbox), Received::closed);
}

TEST_F(ChannelPair, RefusesWhatIsNoMessageAndClosesItsDescriptors) {
  const std::size_t before = open_descriptors();
  const std::uint64_t zeros[4] = {};
  const std::uint64_t far_segment[2] = {0x0000'00ff'0000'0000, 0};
  const std::uint64_t wild_pointer[2] = {0x0000'0001'0000'0000, 0x7fff'ffff'0000'0ffc};
  send_raw("odd size", 7, 2);
  EXPECT_EQ(right.receive(inbox), Received::bad);
  send_raw(far_segment, sizeof far_segment, 1);
  EXPECT_EQ(right.receive(inbox), Received::bad);
  send_raw(wild_pointer, sizeof wild_pointer);
  EXPECT_EQ(right.receive(inbox), Received::bad);
  send_raw(zeros, sizeof zeros, 4);  // an empty message, and words behind it
  EXPECT_EQ(right.receive(inbox), Received::bad);
  const std::vector<char> long_one(kMaxMessageBytes + 8);
  send_raw(long_one.data(), long_one.size(), 1);
  EXPECT_EQ(right.receive(inbox), Received::bad);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(ChannelPair, RefusesTooManyDescriptorsAndClosesAllOfThem) {
  Draft draft;
  const auto words = capnp::messageToFlatArray(draft.builder());
  const std::size_t before = open_descriptors();
  for (const std::size_t count : {kMaxDescriptors + 1, 2 * kMaxDescriptors, std::size_t{200}}) {
    send_raw(words.begin(), words.size() * sizeof(capnp::word), count);
    EXPECT_EQ(right.receive(inbox), Received::bad) << count;
    EXPECT_EQ(open_descriptors(), before) << count;
  }
}

TEST_F(ChannelPair, SurvivesRandomDatagrams) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Draft draft(1);
  auto announce = draft->initAnnounce();
  announce.setStream("hdmi/h264");
  announce.initReaders(5);
  const auto good = capnp::messageToFlatArray(draft.builder());
  for (int round = 0; round < 20'000; ++round) {
    std::vector<unsigned char> bytes(good.asBytes().begin(), good.asBytes().end());
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<unsigned char>(random());
    }
    send_raw(bytes.data(), bytes.size());
    if (right.receive(inbox) != Received::message) continue;
    try {
      if (!inbox.message().isAnnounce()) continue;
      (void)take_text(inbox.message().getAnnounce().getStream());
      for (const std::uint64_t id : inbox.message().getAnnounce().getReaders()) (void)id;
    } catch (const kj::Exception&) {
    } catch (const BadMessage&) {
    }
  }
}

TEST_F(ChannelPair, QueuesForAPeerThatDoesNotReadAndClosesWhenTheQueueIsFull) {
  const std::size_t before = open_descriptors();
  const std::string text(500, 'x');
  int sent = 0;
  for (; sent < 100'000; ++sent) {
    Draft draft(static_cast<std::uint32_t>(sent + 1));
    draft->initRefused().setText(text.c_str());
    if (!left.send(draft, {1})) break;
  }
  EXPECT_FALSE(left.is_open());
  EXPECT_GT(sent, static_cast<int>(Channel::kMaxQueued));
  EXPECT_LE(open_descriptors(), before);
}

TEST_F(ChannelPair, FlushesTheQueueInOrderOnceThePeerReads) {
  const std::string text(500, 'x');
  std::uint32_t sent = 0;
  while (!left.wants_to_write()) {
    Draft draft(++sent);
    draft->initRefused().setText(text.c_str());
    ASSERT_TRUE(left.send(draft));
  }
  for (std::uint32_t n = 1; n <= sent; ++n) {
    ASSERT_EQ(right.receive(inbox), Received::message);
    EXPECT_EQ(inbox.message().getRequest(), n);
    ASSERT_TRUE(left.flush());
  }
  EXPECT_FALSE(left.wants_to_write());
}

TEST(StreamName, FollowsTheRule) {
  for (const char* good : {"a", "hdmi/h264", "A-b_c.d/0", "..."})
    EXPECT_TRUE(valid_stream_name(good));
  for (const char* bad : {"", "/", "a/", "/a", "a//b", "a b", "a/../b", ".", "ä", "a\n"}) {
    EXPECT_FALSE(valid_stream_name(bad)) << bad;
  }
  EXPECT_TRUE(valid_stream_name(std::string(64, 'x')));
  EXPECT_FALSE(valid_stream_name(std::string(65, 'x')));
}

TEST(Text, LosesWhatWouldSteerATerminalAndIsNotCutInsideACharacter) {
  EXPECT_EQ(take_text(capnp::Text::Reader("a\x1b[31m")), "a?[31m");
  EXPECT_THROW((void)take_text(capnp::Text::Reader("abc"), 2), BadMessage);
  EXPECT_EQ(clip("aä", 2), "a");
  EXPECT_EQ(clip("aä", 3), "aä");
}

TEST(Names, AreTheSameEverywhere) {
  EXPECT_STREQ(to_string(SourceState::no_signal), "no_signal");
  EXPECT_STREQ(to_string(static_cast<SourceState>(99)), "unknown");
  EXPECT_STREQ(to_string(Bell::eventfd), "eventfd");
  EXPECT_EQ(codec_name(kCodecH264), "h264");
  EXPECT_EQ(codec_name(kCodecI420), "YU12");
  EXPECT_EQ(codec_name(0), "????");
}

TEST(SocketDir, ComesFromTheArgumentThenTheEnvironmentThenTheDefault) {
  ::setenv("FRAMERING_DIR", "/x/y", 1);
  EXPECT_EQ(resolve_socket_dir("/z"), "/z");
  EXPECT_EQ(resolve_socket_dir(""), "/x/y");
  ::unsetenv("FRAMERING_DIR");
  EXPECT_EQ(resolve_socket_dir(""), "/run/framering");
  EXPECT_EQ(socket_path("/d", Role::operator_), "/d/operator.sock");
}

TEST(SocketDir, IsMadeWithItsParents) {
  std::string base = (std::filesystem::temp_directory_path() / "framering-dir-XXXXXX").string();
  ASSERT_NE(::mkdtemp(base.data()), nullptr);
  EXPECT_EQ(ensure_socket_dir(base + "/a/b"), 0);
  EXPECT_EQ(ensure_socket_dir(base + "/a/b"), 0);
  EXPECT_TRUE(std::filesystem::is_directory(base + "/a/b"));
  EXPECT_NE(ensure_socket_dir("/proc/none/here"), 0);
  std::filesystem::remove_all(base);
}

TEST(Ready, IsToldToTheServiceManagerOnAnAbstractSocketToo) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = "framering-ready-" + std::to_string(::getpid());
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const Fd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
  ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  ::testing::internal::CaptureStderr();
  announce_ready("test", "is ready");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "test: is ready\n");
  ::unsetenv("NOTIFY_SOCKET");
  char text[32] = {};
  EXPECT_EQ(::recv(manager.get(), text, sizeof text, MSG_DONTWAIT), 7);
  EXPECT_STREQ(text, "READY=1");
}

}  // namespace
}  // namespace framering
