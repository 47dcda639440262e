// SPDX-License-Identifier: Apache-2.0
//
// A producer's control thread against a broker that the test plays: what it says when, and what it
// does with a reader that turns out to be hostile.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <new>

#include "control/channel.h"
#include "control_fixture.h"
#include "ring/segment.h"

namespace framering::test {
namespace {

using Clock = std::chrono::steady_clock;

class ProducerLinkTest : public ::testing::Test {
 protected:
  ProducerLinkTest() {
    reader_page.layout_version = kLayoutVersion;
    reader_page.magic.store(kReaderPageMagic);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket_path(dir.path(), Role::producer);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 4), 0);
  }

  ~ProducerLinkTest() noexcept override = default;

  // The broker has ended and come back.
  void come_back() {
    peer.close();
    pollfd ready{listener.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, std::chrono::milliseconds(kPatience).count()), 1);
    peer = Channel(Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
  }
  // The next message of the producer, which stays in `inbox`.
  [[nodiscard]] bool hear() {
    pollfd ready{peer.fd(), POLLIN, 0};
    return ::poll(&ready, 1, std::chrono::milliseconds(kPatience).count()) == 1 &&
           peer.receive(inbox) == Received::message;
  }
  void expect_announce() {
    ASSERT_TRUE(hear());
    ASSERT_TRUE(inbox.message().isAnnounce());
  }
  void accept() {
    Draft draft(inbox.message().getRequest());
    draft->initAnnounced().setBroker(1);
    ASSERT_TRUE(peer.send(draft));
  }
  void refuse() {
    Draft draft(inbox.message().getRequest());
    auto refused = draft->initRefused();
    refused.setReason(Reason::NAME_TAKEN);
    refused.setText("taken");
    ASSERT_TRUE(peer.send(draft));
  }
  // On return `inbox` holds what the producer has answered: ReaderAdded.
  void add_reader(std::uint64_t id, Bell bell, std::uint32_t uid = ::geteuid()) {
    Draft draft(2);
    auto add = draft->initAddReader();
    add.setId(id);
    add.setUid(uid);
    add.setBell(static_cast<std::uint32_t>(bell));
    ASSERT_TRUE(peer.send(draft, {page.fd()}));
    ASSERT_TRUE(hear());
    ASSERT_TRUE(inbox.message().isReaderAdded());
  }
  [[nodiscard]] static bool hung_up(const Fd& line) {
    pollfd heard{line.get(), POLLRDHUP, 0};
    return ::poll(&heard, 1, std::chrono::milliseconds(kPatience).count()) == 1;
  }
  TempDir dir;
  Fd listener{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
  Channel peer;
  Inbox inbox;
  OwnSegment page{"page", kPageBytes};
  ReaderPage& reader_page = *new (page.data()) ReaderPage;
};

TEST_F(ProducerLinkTest, WhoWaitsForANameLetsItsHolderGoFirstWhenTheBrokerComesBack) {
  const StreamWriter writer(writer_options(dir.path()));
  come_back();
  expect_announce();
  refuse();
  come_back();
  const auto back = Clock::now();
  expect_announce();
  EXPECT_GE(Clock::now() - back, 400ms);
  accept();
  EXPECT_TRUE(eventually([&] { return writer.announced(); }));
}

TEST_F(ProducerLinkTest, WhoLosesItsNameLetsGoOfReadersThatDoNotLeaveByThemselves) {
  const StreamWriter writer(writer_options(dir.path()));
  come_back();
  expect_announce();
  accept();
  add_reader(7, Bell::futex);
  const Fd line = inbox.take(1);
  come_back();
  const auto refused_from = Clock::now();
  std::thread broker([&] {
    while (hear()) refuse();
  });
  EXPECT_TRUE(hung_up(line));
  EXPECT_GE(Clock::now() - refused_from, 5s) << "its place was its own for five seconds";
  ::shutdown(peer.fd(), SHUT_RDWR);
  broker.join();
}

TEST_F(ProducerLinkTest, AReaderThatMakesItsEventfdBlockIsDroppedAndItsUserGetsNoOther) {
  StreamWriter writer(writer_options(dir.path()));
  come_back();
  expect_announce();
  accept();
  const std::uint32_t another_user = ::geteuid() + 1;
  add_reader(7, Bell::eventfd, another_user);
  ASSERT_EQ(inbox.descriptors(), 3u);
  const Fd line = inbox.take(1);
  const Fd event = inbox.take(2);
  ::eventfd_write(event.get(), UINT64_MAX - 1);
  ASSERT_EQ(::fcntl(event.get(), F_SETFL, O_RDWR), 0);
  reader_page.wake_at.store(1);
  std::atomic<bool> published{false};
  std::thread publisher([&] {
    publish_pattern(writer, 1);
    published = true;
  });
  const bool freed = eventually([&] { return published.load(); });
  EXPECT_TRUE(freed) << "publish is held";
  eventfd_t rings = 0;
  if (!freed) (void)::eventfd_read(event.get(), &rings);
  publisher.join();
  EXPECT_TRUE(hung_up(line));
  ASSERT_TRUE(hear());
  EXPECT_EQ(inbox.message().getReaderGone().getId(), 7u);
  add_reader(8, Bell::eventfd, another_user);
  EXPECT_EQ(inbox.message().getReaderAdded().getBell(), static_cast<std::uint32_t>(Bell::line));
  add_reader(9, Bell::eventfd, another_user + 1);
  EXPECT_EQ(inbox.message().getReaderAdded().getBell(), static_cast<std::uint32_t>(Bell::eventfd));
}

}  // namespace
}  // namespace framering::test
