// SPDX-License-Identifier: Apache-2.0
//
// The broker as a peer meets it that does not use our library: what it answers, what it refuses.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>
#include <new>

#include "control/channel.h"
#include "control_fixture.h"
#include "ring/segment.h"
#include "ring/writer.h"

namespace framering::test {
namespace {

// A peer that says whatever it wants.
class Raw {
 public:
  Raw(const std::string& dir, Role role) {
    int error = 0;
    channel = Channel(connect_seqpacket(socket_path(dir, role), error));
    EXPECT_EQ(error, 0);
  }
  Received wait() {
    for (;;) {
      const Received received = channel.receive(inbox);
      if (received != Received::nothing) return received;
      pollfd ready{channel.fd(), POLLIN, 0};
      if (::poll(&ready, 1, std::chrono::milliseconds(kPatience).count()) <= 0) {
        return Received::nothing;
      }
    }
  }
  // The sentence of the Refused that comes next; empty if something else does.
  std::string refusal(Reason reason) {
    if (wait() != Received::message || !inbox.message().isRefused()) return {};
    EXPECT_EQ(inbox.message().getRefused().getReason(), reason);
    return inbox.message().getRefused().getText().cStr();
  }
  void attach(const std::string& stream, int page, std::uint32_t protocol = kProtocolVersion) {
    Draft draft(1);
    auto attach = draft->initAttach();
    attach.setProtocol(protocol);
    attach.setLayout(kLayoutVersion);
    attach.setStream(as_text(stream));
    channel.send(draft, {page});
  }
  void announce(const std::string& stream, const RingWriter& ring,
                std::vector<std::uint64_t> readers = {}) {
    Draft draft(1);
    auto announce = draft->initAnnounce();
    announce.setProtocol(kProtocolVersion);
    announce.setLayout(kLayoutVersion);
    announce.setStream(as_text(stream));
    announce.setGeneration(ring.generation());
    auto list = announce.initReaders(static_cast<unsigned>(readers.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, readers[i]);
    channel.send(draft, {ring.fd()});
  }

  Channel channel;
  Inbox inbox;
};

class BrokerProtocol : public ::testing::Test {
 protected:
  static RingOptions ring_options() {
    RingOptions small;
    small.name = "test";
    small.arena_bytes = 65536;
    small.slot_count = 16;
    return small;
  }
  TempDir dir;
  BrokerOptions options = broker_options(dir.path());
  RingWriter ring{ring_options()};
  OwnSegment page{"page", kPageBytes};
};

TEST_F(BrokerProtocol, GarbageIsAnsweredWithAnErrorAndTheConnectionClosed) {
  const BrokerThread broker(options);
  for (const Role role : kRoles) {
    Raw peer(dir.path(), role);
    ASSERT_EQ(::send(peer.channel.fd(), "garbage", 7, 0), 7);
    EXPECT_NE(peer.refusal(Reason::BAD_MESSAGE).find("no Message"), std::string::npos);
    EXPECT_EQ(peer.wait(), Received::closed);
  }
}

TEST_F(BrokerProtocol, AMessageOnTheWrongSocketIsRefused) {
  const BrokerThread broker(options);
  Raw peer(dir.path(), Role::consumer);
  peer.announce("a", ring);
  EXPECT_NE(peer.refusal(Reason::BAD_MESSAGE).find("consumer socket"), std::string::npos);
  EXPECT_EQ(peer.wait(), Received::closed);
  Raw other(dir.path(), Role::operator_);
  other.attach("a", page.fd());
  EXPECT_NE(other.refusal(Reason::BAD_MESSAGE).find("operator socket"), std::string::npos);
}

TEST_F(BrokerProtocol, AnotherProtocolVersionIsToldWhichSideToUpgrade) {
  const BrokerThread broker(options);
  Raw newer(dir.path(), Role::consumer);
  newer.attach("a", page.fd(), kProtocolVersion + 1);
  EXPECT_NE(newer.refusal(Reason::VERSION).find("upgrade the broker"), std::string::npos);
  Raw older(dir.path(), Role::consumer);
  older.attach("a", page.fd(), kProtocolVersion - 1);
  EXPECT_NE(older.refusal(Reason::VERSION).find("upgrade the reader"), std::string::npos);
}

TEST_F(BrokerProtocol, APageWithoutSealsOrOfTheWrongSizeIsRefusedAndNamed) {
  const BrokerThread broker(options);
  Raw producer(dir.path(), Role::producer);
  producer.announce("a", ring);
  ASSERT_EQ(producer.wait(), Received::message);
  ASSERT_TRUE(producer.inbox.message().isAnnounced());

  const Fd unsealed(::memfd_create("unsealed", MFD_ALLOW_SEALING | MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(unsealed.get(), kPageBytes), 0);
  Raw consumer(dir.path(), Role::consumer);
  consumer.attach("a", unsealed.get());
  EXPECT_NE(consumer.refusal(Reason::BAD_DESCRIPTOR).find("seal"), std::string::npos);
  const OwnSegment huge("huge", 1u << 20);
  consumer.attach("a", huge.fd());
  EXPECT_NE(consumer.refusal(Reason::BAD_DESCRIPTOR).find("length"), std::string::npos);
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  consumer.attach("a", null.get());
  EXPECT_NE(consumer.refusal(Reason::BAD_MESSAGE).find("shared memory"), std::string::npos);
}

TEST_F(BrokerProtocol, ARingThatIsNoneIsRefused) {
  const BrokerThread broker(options);
  const OwnSegment nonsense("nonsense", 65536);
  Raw producer(dir.path(), Role::producer);
  Draft draft(1);
  auto announce = draft->initAnnounce();
  announce.setProtocol(kProtocolVersion);
  announce.setStream("a");
  announce.setGeneration(5);
  producer.channel.send(draft, {nonsense.fd()});
  EXPECT_NE(producer.refusal(Reason::BAD_DESCRIPTOR).find("ring"), std::string::npos);
}

TEST_F(BrokerProtocol, BadNamesAndMissingDescriptorsAreBadMessages) {
  const BrokerThread broker(options);
  Raw first(dir.path(), Role::consumer);
  first.attach("../etc", page.fd());
  EXPECT_NE(first.refusal(Reason::BAD_MESSAGE).find("no stream name"), std::string::npos);
  Raw second(dir.path(), Role::consumer);
  Draft draft(1);
  auto attach = draft->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setStream("a");
  second.channel.send(draft);
  EXPECT_NE(second.refusal(Reason::BAD_MESSAGE).find("0 descriptors"), std::string::npos);
}

TEST_F(BrokerProtocol, AttachingWithoutWaitingNamesTheMissingStream) {
  const BrokerThread broker(options);
  Raw consumer(dir.path(), Role::consumer);
  consumer.attach("nobody", page.fd());
  EXPECT_NE(consumer.refusal(Reason::NO_SUCH_STREAM).find("'nobody'"), std::string::npos);
}

TEST_F(BrokerProtocol, AttemptsToAttachAreLimitedForEachUser) {
  options.attach_burst = 5;
  options.attach_per_second = 1;
  const BrokerThread broker(options);
  Raw consumer(dir.path(), Role::consumer);
  const auto begin = std::chrono::steady_clock::now();
  int attempts = 0;
  std::string refusal;
  do {
    ++attempts;
    consumer.attach("a", page.fd());
    ASSERT_EQ(consumer.wait(), Received::message);
    ASSERT_TRUE(consumer.inbox.message().isRefused());
    refusal = consumer.inbox.message().getRefused().getText().cStr();
    if (attempts <= 5) {
      EXPECT_EQ(consumer.inbox.message().getRefused().getReason(), Reason::NO_SUCH_STREAM);
    }
  } while (consumer.inbox.message().getRefused().getReason() == Reason::NO_SUCH_STREAM);
  EXPECT_EQ(consumer.inbox.message().getRefused().getReason(), Reason::LIMIT);
  EXPECT_NE(refusal.find("too often"), std::string::npos) << refusal;
  const auto seconds = (std::chrono::steady_clock::now() - begin) / 1s;
  EXPECT_LE(attempts, 5 + seconds + 2) << "five at once, one a second more";
}

TEST_F(BrokerProtocol, ConnectionsOfOneUserAreLimited) {
  options.max_connections_per_uid = 3;
  const BrokerThread broker(options);
  std::vector<std::unique_ptr<Raw>> peers;
  for (int i = 0; i < 4; ++i) peers.push_back(std::make_unique<Raw>(dir.path(), Role::consumer));
  EXPECT_NE(peers[3]->refusal(Reason::LIMIT).find("its limit"), std::string::npos);
  EXPECT_EQ(peers[3]->wait(), Received::closed);
  peers[0].reset();
  EXPECT_TRUE(eventually([&] {
    Raw again(dir.path(), Role::consumer);
    again.attach("a", page.fd());
    return again.wait() == Received::message &&
           again.inbox.message().getRefused().getReason() == Reason::NO_SUCH_STREAM;
  }));
}

TEST_F(BrokerProtocol, AClaimWaitsForItsProducerAndIsConfirmedToBoth) {
  const BrokerThread broker(options);
  Raw consumer(dir.path(), Role::consumer);
  Draft draft(9);
  auto claim = draft->initClaim();
  claim.setProtocol(kProtocolVersion);
  claim.setLayout(kLayoutVersion);
  claim.setStream("a");
  claim.setGeneration(ring.generation());
  claim.setId(4711);
  consumer.channel.send(draft, {page.fd(), page.fd()});
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(consumer.channel.receive(consumer.inbox), Received::nothing);

  Raw producer(dir.path(), Role::producer);
  producer.announce("a", ring, {4711});
  ASSERT_EQ(producer.wait(), Received::message);
  EXPECT_TRUE(producer.inbox.message().isAnnounced());
  ASSERT_EQ(producer.wait(), Received::message);
  EXPECT_EQ(producer.inbox.message().getClaimReader().getId(), 4711u);
  ASSERT_EQ(consumer.wait(), Received::message);
  EXPECT_EQ(consumer.inbox.message().getRequest(), 9u);
  EXPECT_EQ(consumer.inbox.message().getClaimed().getId(), 4711u);

  producer.channel.close();
  ASSERT_EQ(consumer.wait(), Received::message);
  EXPECT_EQ(consumer.inbox.message().getDetached().getId(), 4711u);
}

TEST_F(BrokerProtocol, AClaimToAReaderThatTheProducerDoesNotKnowIsDetached) {
  const BrokerThread broker(options);
  Raw producer(dir.path(), Role::producer);
  producer.announce("a", ring, {1, 2});
  ASSERT_EQ(producer.wait(), Received::message);
  for (const bool right_generation : {true, false}) {
    Raw consumer(dir.path(), Role::consumer);
    Draft draft(1);
    auto claim = draft->initClaim();
    claim.setProtocol(kProtocolVersion);
    claim.setStream("a");
    claim.setGeneration(ring.generation() + (right_generation ? 0 : 1));
    claim.setId(3);
    consumer.channel.send(draft, {page.fd(), page.fd()});
    ASSERT_EQ(consumer.wait(), Received::message);
    ASSERT_TRUE(consumer.inbox.message().isDetached());
    EXPECT_EQ(consumer.inbox.message().getDetached().getCause(),
              right_generation ? wire::Detached::Cause::LET_GO : wire::Detached::Cause::REPLACED);
  }
}

TEST_F(BrokerProtocol, AWaitingAttachReachesTheNextProducerWhenTheFirstDiesBeforeItAnswers) {
  const BrokerThread broker(options);
  Raw first(dir.path(), Role::producer);
  first.announce("a", ring);
  ASSERT_EQ(first.wait(), Received::message);
  Raw consumer(dir.path(), Role::consumer);
  Draft draft(1);
  auto attach = draft->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setLayout(kLayoutVersion);
  attach.setStream("a");
  attach.setWait(true);
  consumer.channel.send(draft, {page.fd()});
  ASSERT_EQ(first.wait(), Received::message);
  EXPECT_TRUE(first.inbox.message().isAddReader());
  first.channel.close();
  Raw second(dir.path(), Role::producer);
  ASSERT_TRUE(eventually([&] {  // the broker has heard of the other's end
    second.announce("a", ring);
    return second.wait() == Received::message && second.inbox.message().isAnnounced();
  }));
  ASSERT_EQ(second.wait(), Received::message);
  EXPECT_TRUE(second.inbox.message().isAddReader());
  EXPECT_EQ(consumer.channel.receive(consumer.inbox), Received::nothing);
}

// A producer that answers by hand.
class ServingByHand : public BrokerProtocol {
 protected:
  ~ServingByHand() noexcept override = default;

  // Serves one reader that asks within `limit`. False: none did.
  bool serve(std::chrono::milliseconds limit) {
    pollfd asked{producer.channel.fd(), POLLIN, 0};
    while (::poll(&asked, 1, static_cast<int>(limit.count())) > 0) {
      if (producer.channel.receive(producer.inbox) != Received::message) return false;
      if (!producer.inbox.message().isAddReader()) continue;
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return false;
      }
      line = Fd(ends[0]);
      const Fd theirs(ends[1]);
      Draft draft(producer.inbox.message().getRequest());
      draft->initReaderAdded().setId(producer.inbox.message().getAddReader().getId());
      return producer.channel.send(draft, {bell_page.fd(), theirs.get()});
    }
    return false;
  }
  BrokerThread broker{options};
  OwnSegment bell_page{"bell", kPageBytes};
  BellPage& bell = *new (bell_page.data()) BellPage;
  Raw producer{dir.path(), Role::producer};
  Fd line;  // our end
};

TEST_F(ServingByHand, ABellPageOfAnotherLayoutIsRefusedWithTheSideToUpgrade) {
  producer.announce("cam/a", ring);
  ASSERT_EQ(producer.wait(), Received::message);
  bell.layout_version = kLayoutVersion + 1;
  bell.magic.store(kBellPageMagic);
  StreamReader reader(reader_options(dir.path()));
  ASSERT_TRUE(serve(kPatience));
  Frame frame;
  ASSERT_EQ(next_frame(reader, frame), ReadResult::refused);
  EXPECT_NE(reader.refusal().find("upgrade the reader"), std::string::npos) << reader.refusal();
}

TEST_F(ServingByHand, AReaderThatIsDroppedAtOnceDoesNotSpendTheAttachesOfItsUser) {
  producer.announce("cam/a", ring);
  ASSERT_EQ(producer.wait(), Received::message);
  bell.layout_version = kLayoutVersion;
  bell.attachment.store(static_cast<std::uint32_t>(Attachment::attached));
  bell.magic.store(kBellPageMagic);
  StreamReader reader(reader_options(dir.path()));
  Frame frame;
  const auto begin = std::chrono::steady_clock::now();
  int attaches = 0;
  for (; attaches < 10; ++attaches) {
    while (!serve(1ms)) (void)reader.next(frame, 0ns);
    line.reset();  // dropped
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, (attaches - 1) * 50ms);
}

TEST_F(BrokerProtocol, AnAttachIsAnsweredWhenTheProducerLetsGoOfTheReaderBeforeItWasServed) {
  const BrokerThread broker(options);
  Raw producer(dir.path(), Role::producer);
  producer.announce("a", ring);
  ASSERT_EQ(producer.wait(), Received::message);
  Raw consumer(dir.path(), Role::consumer);
  consumer.attach("a", page.fd());
  ASSERT_EQ(producer.wait(), Received::message);
  ASSERT_TRUE(producer.inbox.message().isAddReader());
  Draft gone;
  gone->initReaderGone().setId(producer.inbox.message().getAddReader().getId());
  producer.channel.send(gone);
  EXPECT_NE(consumer.refusal(Reason::PRODUCER_FAILED).find("let go"), std::string::npos);
}

// Else its answers pile up in the broker: 64 for each connection that it may have.
TEST_F(BrokerProtocol, APeerThatDoesNotReadItsAnswersIsNotServedUntilItDoes) {
  const BrokerThread broker(options);
  Raw deaf(dir.path(), Role::consumer);
  int asked = 0;
  const auto ask = [&] {
    Draft draft(static_cast<std::uint32_t>(asked + 1));
    draft->setStatStream(std::string(64, 'x'));  // refused with a sentence, which is longer
    if (!deaf.channel.flush() || deaf.channel.wants_to_write()) return false;
    if (!deaf.channel.send(draft)) return false;
    ++asked;
    return true;
  };
  // Both directions fill up, and stay full: nobody reads, and the connection is not closed.
  while (eventually(ask, 500ms)) ASSERT_LT(asked, 100'000);
  ASSERT_TRUE(deaf.channel.wants_to_write());
  for (int answered = 0; answered < asked; ++answered) {
    ASSERT_TRUE(deaf.channel.flush());
    ASSERT_EQ(deaf.wait(), Received::message);
    ASSERT_EQ(deaf.inbox.message().getRequest(), static_cast<std::uint32_t>(answered + 1));
  }
}

TEST_F(BrokerProtocol, AnEventfdIsOnlyForTheTrusted) {
  options.access.add("trust:*:uid=4000000000");
  const BrokerThread broker(options);
  Raw producer(dir.path(), Role::producer);
  producer.announce("a", ring);
  ASSERT_EQ(producer.wait(), Received::message);
  Raw consumer(dir.path(), Role::consumer);
  Draft draft(1);
  auto attach = draft->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setLayout(kLayoutVersion);
  attach.setStream("a");
  attach.setBell(static_cast<std::uint32_t>(Bell::eventfd));
  consumer.channel.send(draft, {page.fd()});
  ASSERT_EQ(producer.wait(), Received::message);
  EXPECT_EQ(producer.inbox.message().getAddReader().getBell(),
            static_cast<std::uint32_t>(Bell::line));
}

TEST_F(BrokerProtocol, AChildThatInheritedTheSocketDoesNotKeepADeadPeerAlive) {
  const BrokerThread broker(options);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const Fd may_end(::eventfd(0, EFD_CLOEXEC));
  const pid_t peer = ::fork();
  if (peer == 0) {  // announces, leaves a child with the socket behind, and ends
    int error = 0;
    Channel channel(connect_seqpacket(socket_path(dir.path(), Role::producer), error));
    Draft draft(1);
    auto announce = draft->initAnnounce();
    announce.setProtocol(kProtocolVersion);
    announce.setStream("a");
    announce.setGeneration(ring.generation());
    channel.send(draft, {ring.fd()});
    const pid_t child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    (void)!::write(pipe_fds[1], &child, sizeof child);
    eventfd_t told = 0;
    ::eventfd_read(may_end.get(), &told);
    ::_exit(0);
  }
  pid_t child = 0;
  ASSERT_EQ(::read(pipe_fds[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  Raw asker(dir.path(), Role::operator_);
  const auto streams = [&] {
    Draft draft(1);
    draft->setListStreams();
    asker.channel.send(draft);
    return asker.wait() == Received::message ? asker.inbox.message().getStreams().size() : 99u;
  };
  EXPECT_TRUE(eventually([&] { return streams() == 1; }));
  ::eventfd_write(may_end.get(), 1);
  ::waitpid(peer, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return streams() == 0; }));
  ::kill(child, SIGKILL);
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST_F(BrokerProtocol, ASecondBrokerOnTheSameDirectoryIsRefused) {
  const BrokerThread broker(options);
  try {
    const Broker second(options);
    FAIL() << "two brokers serve one directory";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("another broker"), std::string::npos) << error.what();
  }
}

TEST_F(BrokerProtocol, SocketsOfADeadBrokerAreReplacedAndGetTheirModes) {
  {
    BrokerProcess dead(dir.path());
    dead.end(SIGKILL);
  }
  EXPECT_TRUE(std::filesystem::exists(socket_path(dir.path(), Role::consumer)));
  options.sockets[static_cast<std::size_t>(Role::consumer)].mode = 0666;
  const BrokerThread broker(options);
  struct stat info {};
  ASSERT_EQ(::stat(socket_path(dir.path(), Role::consumer).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0666u);
  ASSERT_EQ(::stat(socket_path(dir.path(), Role::producer).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  Raw peer(dir.path(), Role::consumer);
  EXPECT_TRUE(peer.channel.is_open());
}

TEST_F(BrokerProtocol, AFileInTheWayOfASocketIsNamedAndKept) {
  const std::string path = socket_path(dir.path(), Role::producer);
  std::ofstream(path) << "precious";
  EXPECT_THROW(const Broker broker(options), std::runtime_error);
  EXPECT_TRUE(std::filesystem::is_regular_file(path));
}

TEST_F(BrokerProtocol, OutOfDescriptorsItPausesAcceptingAndGoesOnAfterwards) {
  BrokerProcess broker(dir.path());
  Raw early(dir.path(), Role::operator_);
  const auto answers = [](Raw& peer) {
    Draft draft(1);
    draft->setListStreams();
    peer.channel.send(draft);
    return peer.wait() == Received::message;
  };
  ASSERT_TRUE(answers(early));  // so it has been accepted
  const rlimit tight{64, 64};
  ASSERT_EQ(::prlimit(broker.pid(), RLIMIT_NOFILE, &tight, nullptr), 0);
  std::vector<std::unique_ptr<Raw>> crowd;
  for (int i = 0; i < 60; ++i) crowd.push_back(std::make_unique<Raw>(dir.path(), Role::consumer));
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(answers(early)) << "whoever is connected is still served";
  crowd.clear();
  Raw late(dir.path(), Role::operator_);
  EXPECT_TRUE(answers(late));
}

// A broker that is not root may have only so many descriptors in sockets that nobody reads, for all
// consumers together.
TEST_F(BrokerProtocol, WhoNeverReadsWhatItIsGivenDoesNotUseUpWhatMayBeUnderWay) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can start a broker of another user";
  constexpr uid_t kBrokerUser = 61'900;
  ASSERT_EQ(::chown(dir.path().c_str(), kBrokerUser, kBrokerUser), 0);
  options.sockets[static_cast<std::size_t>(Role::consumer)].mode = 0666;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const pid_t broker = ::fork();
  if (broker == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const rlimit tight{600, 600};
    ::setrlimit(RLIMIT_NOFILE, &tight);
    if (::setgid(kBrokerUser) != 0 || ::setuid(kBrokerUser) != 0) ::_exit(1);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Broker(options).run(::eventfd(0, 0));
    ::_exit(0);
  }
  int error = 0;
  const std::string path = socket_path(dir.path(), Role::producer);
  EXPECT_TRUE(eventually([&] { return connect_seqpacket(path, error).valid(); }));
  {
    StreamWriter writer(writer_options(dir.path(), "a"));
    publish_pattern(writer, 1);
    EXPECT_TRUE(eventually([&] { return writer.announced(); }));
    auto* const words = new (page.data()) ReaderPage;
    words->layout_version = kLayoutVersion;
    words->magic.store(kReaderPageMagic);
    const pid_t hostile = ::fork();
    if (hostile == 0) {
      if (::setgid(61'901) != 0 || ::setuid(61'901) != 0) ::_exit(1);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (std::vector<std::unique_ptr<Raw>> kept;;) {
        kept.push_back(std::make_unique<Raw>(dir.path(), Role::consumer));
        for (int i = 0; i < 20; ++i) {
          kept.back()->attach("a", page.fd());
          std::this_thread::sleep_for(4ms);  // until it is answered
        }
        if (kept.size() % 2 == 0) (void)::send(kept.back()->channel.fd(), "garbage", 7, 0);
        if (kept.size() == 100) std::this_thread::sleep_for(60s);
      }
    }
    std::this_thread::sleep_for(6s);  // 64 attaches at once and 50 a second would be 1,000
    EXPECT_TRUE(writer.announced());
    int served = 0;
    for (int i = 0; i < 5; ++i) {
      StreamReader reader(reader_options(dir.path(), "a"));
      Frame frame;
      served += next_frame(reader, frame) == ReadResult::frame ? 1 : 0;
    }
    EXPECT_EQ(served, 5);
    ::kill(hostile, SIGKILL);
    ::waitpid(hostile, nullptr, 0);
  }
  ::kill(broker, SIGKILL);
  ::waitpid(broker, nullptr, 0);
}

}  // namespace
}  // namespace framering::test
