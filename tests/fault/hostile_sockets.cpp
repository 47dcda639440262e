// SPDX-License-Identifier: Apache-2.0
//
// Attacks on the control plane, over each socket that the neighbour may open.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <random>

#include "hostile_attack.h"

namespace framering::test {
namespace {

constexpr Role kOpenTo[2][3] = {{Role::consumer, Role::consumer, Role::consumer},
                                {Role::producer, Role::consumer, Role::operator_}};

void attach_a_thousand_times_a_second(const Neighbourhood& where) {
  const OwnSegment page("hostile-page", kPageBytes);
  auto* const words = new (page.data()) ReaderPage;
  words->layout_version = kLayoutVersion;
  words->magic.store(kReaderPageMagic);
  where.score->ready.store(1);
  for (;; nap_us(700)) {
    RawPeer peer(where.dir, Role::consumer);
    peer.attach(kStream, page.fd(), Bell::futex);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
}

// Asks and asks, and never reads an answer: the broker's queue for it must end.
void never_read(const Neighbourhood& where) {
  where.score->ready.store(1);
  for (;;) {
    RawPeer peer(where.dir, Role::consumer);
    for (int asked = 0; asked < 100'000; ++asked) {
      Draft draft(static_cast<std::uint32_t>(asked + 1));
      draft->setListStreams();
      if (!peer.channel.send(draft)) break;
      where.score->tries.fetch_add(1, std::memory_order_relaxed);
      if (peer.channel.wants_to_write()) {
        pollfd room{peer.channel.fd(), POLLOUT, 0};
        ::poll(&room, 1, 10);
        if (!peer.channel.flush()) break;
      }
    }
  }
}

// Attaches and attaches, and never reads what it is given: descriptors are under way all the while.
void never_take(const Neighbourhood& where) {
  const OwnSegment page("hostile-page", kPageBytes);
  auto* const words = new (page.data()) ReaderPage;
  words->layout_version = kLayoutVersion;
  words->magic.store(kReaderPageMagic);
  std::vector<std::unique_ptr<RawPeer>> peers(32);  // the stream has more places than that
  where.score->ready.store(1);
  for (std::size_t round = 0;; ++round, nap_us(1'000)) {
    auto& peer = peers[round % peers.size()];
    peer = std::make_unique<RawPeer>(where.dir, Role::consumer);
    peer->attach(kStream, page.fd(), Bell::line);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
}

// Leaves a child behind that has inherited socket, line and pages, and that goes on asking.
void leave_a_child(const Neighbourhood& where) {
  HostileReader reader(where, Bell::line);
  if (::fork() != 0) ::_exit(0);
  ::alarm(600);
  reader.ask_for_every_ring();
  where.score->ready.store(1);
  for (;; nap_us(1000)) {
    Draft draft(7);
    draft->setListStreams();
    reader.peer.channel.send(draft);
    (void)reader.peer.channel.receive(reader.peer.inbox);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
}

void send_bytes(int socket, const void* bytes, std::size_t size, std::size_t descriptors) {
  std::array<int, 253> stuffing;
  stuffing.fill(STDERR_FILENO);
  iovec part{const_cast<void*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof stuffing)] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptors != 0) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    std::memcpy(CMSG_DATA(rights), stuffing.data(), descriptors * sizeof(int));
  }
  (void)::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// Descriptor-stuffed, truncated, oversized, garbage, and right messages with some bits flipped.
void talk_nonsense(const Neighbourhood& where, const Role (&roles)[3]) {
  std::mt19937_64 random(0xBAD);
  Draft right(1);
  auto attach = right->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setLayout(kLayoutVersion);
  attach.setStream(kStream);
  const auto words = capnp::messageToFlatArray(right.builder());
  const std::size_t right_bytes = words.size() * sizeof(capnp::word);
  std::vector<std::uint8_t> bytes(kMaxMessageBytes + 4096);
  where.score->ready.store(1);
  for (std::uint64_t round = 0;; ++round) {
    RawPeer peer(where.dir, roles[round % 3]);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() >> 7);
    const int socket = peer.channel.fd();
    const auto send_right = [&](std::size_t size, std::size_t descriptors) {
      std::memcpy(bytes.data(), words.begin(), right_bytes);
      send_bytes(socket, bytes.data(), size, descriptors);
    };
    switch (random() % 6) {
      case 0:
        send_bytes(socket, bytes.data(), 1 + random() % 4096, 0);
        break;
      case 1:
        send_right(right_bytes - 8 * (1 + random() % 3), 1);
        break;
      case 2:
        send_right(right_bytes, 253);
        break;
      case 3:
        send_bytes(socket, bytes.data(), bytes.size(), 3);
        break;
      case 4:
        send_bytes(socket, bytes.data(), 0, random() % 5);
        break;
      default:
        std::memcpy(bytes.data(), words.begin(), right_bytes);
        for (int flips = 0; flips < 3; ++flips) {
          bytes[random() % right_bytes] ^= static_cast<std::uint8_t>(1u << random() % 8);
        }
        send_bytes(socket, bytes.data(), right_bytes, random() % 6);
    }
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
    if (round % 8 == 0) (void)peer.wait();  // sometimes it does listen
  }
}

}  // namespace

std::vector<Attack> socket_attacks() {
  return {
      {"ItAttachesAThousandTimesASecond", "attaches", Standing::stranger,
       attach_a_thousand_times_a_second},
      {"ItNeverReadsItsSocket", "questions", Standing::stranger, never_read},
      {"ItNeverTakesWhatItIsGiven", "attaches", Standing::stranger, never_take},
      {"AChildInheritsItsSocketAndLine", "questions", Standing::stranger, leave_a_child},
      {"AStrangerTalksNonsense", "messages", Standing::stranger,
       [](const Neighbourhood& where) { talk_nonsense(where, kOpenTo[0]); }},
      {"AnInsiderTalksNonsenseOnAllSockets", "messages", Standing::insider,
       [](const Neighbourhood& where) { talk_nonsense(where, kOpenTo[1]); }},
  };
}

}  // namespace framering::test
