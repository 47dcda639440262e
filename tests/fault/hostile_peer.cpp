// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

#include "hostile_attack.h"

namespace framering::test {

RawPeer::RawPeer(const std::string& dir, Role role) {
  int error = 0;
  for (int tries = 0; tries < 200; ++tries) {
    channel = Channel(connect_seqpacket(socket_path(dir, role), error));
    if (error != EAGAIN) break;  // EAGAIN: the listen queue is full
    nap_us(5'000);
  }
  if (error != 0) throw std::system_error(error, std::generic_category(), "connect");
}

Received RawPeer::wait() {
  for (;;) {
    const Received received = channel.receive(inbox);
    if (received != Received::nothing) return received;
    pollfd ready{channel.fd(), POLLIN, 0};
    if (::poll(&ready, 1, 30'000) <= 0) return Received::nothing;
  }
}

void RawPeer::attach(const std::string& stream, int page, Bell bell) {
  Draft draft(1);
  auto attach = draft->initAttach();
  attach.setProtocol(kProtocolVersion);
  attach.setLayout(kLayoutVersion);
  attach.setStream(as_text(stream));
  attach.setBell(static_cast<std::uint32_t>(bell));
  attach.setName("a nice neighbour");
  channel.send(draft, {page});
}

HostileReader::HostileReader(const Neighbourhood& where, Bell wish)
    : peer(where.dir, Role::consumer),
      page_segment("hostile-page", kPageBytes),
      page(*new (page_segment.data()) ReaderPage) {
  page.layout_version = kLayoutVersion;
  page.demand.store(1);
  page.magic.store(kReaderPageMagic, std::memory_order_release);
  peer.attach(kStream, page_segment.fd(), wish);
  if (peer.wait() != Received::message || !peer.inbox.message().isAttached()) {
    throw std::runtime_error("the neighbour was not let in");
  }
  bell_kind = static_cast<Bell>(peer.inbox.message().getAttached().getBell());
  ring_fd = peer.inbox.take(0);
  bell_fd = peer.inbox.take(1);
  line = peer.inbox.take(2);
  event = peer.inbox.take(3);
  if (ring.map(ring_fd.get(), kPageBytes, SIZE_MAX) != SegmentFault::none ||
      bell_segment.map(bell_fd.get(), kPageBytes, kPageBytes) != SegmentFault::none ||
      view.open(ring.data(), ring.bytes()) != RingFault::none) {
    throw std::runtime_error("the neighbour cannot map what it was given");
  }
  bell = reinterpret_cast<const BellPage*>(bell_segment.data());
}

bool HostileReader::is_served() const noexcept {
  return bell->attachment.load() != static_cast<std::uint32_t>(Attachment::detached);
}

void HostileReader::arm() noexcept {
  // A frame that is there already, never the same twice: the next publish rings, whichever it is.
  const std::uint64_t before = page.wake_at.load(std::memory_order_relaxed);
  page.wake_at.store(before == 1 ? 2 : 1, std::memory_order_relaxed);
}

void HostileReader::ask_for_every_ring() {
  armer_ = std::thread([this] {
    for (std::uint64_t seen = 0;;) {
      const std::uint64_t head = view.head();
      if (head != seen) arm();
      seen = head;
      char heard[64];
      if (bell_kind == Bell::line) (void)!::recv(line.get(), heard, sizeof heard, MSG_DONTWAIT);
      nap_us(200);
    }
  });
}

Fd broken_memfd(const std::byte* like, std::size_t bytes, MemoryFault fault) {
  constexpr int kAllSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  Fd fd(::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  (void)!::ftruncate(fd.get(), static_cast<off_t>(bytes));
  (void)!::pwrite(fd.get(), like, fault == MemoryFault::sparse ? kPageBytes : bytes, 0);
  if (fault == MemoryFault::shrunk)
    (void)!::ftruncate(fd.get(), static_cast<off_t>(kPageBytes / 2));
  const int seals = fault == MemoryFault::unsealed     ? 0
                    : fault == MemoryFault::shrinkable ? kAllSeals & ~F_SEAL_SHRINK
                                                       : kAllSeals;
  ::fcntl(fd.get(), F_ADD_SEALS, seals);
  return fd;
}

std::size_t raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{wanted + 64, wanted + 64};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 && ::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::min<std::size_t>(wanted, limit.rlim_cur - 64);
}

void sleep_for_ever() {
  for (;;) ::pause();
}

void nap_us(long microseconds) noexcept {
  const timespec time{microseconds / 1'000'000, microseconds % 1'000'000 * 1000};
  ::nanosleep(&time, nullptr);
}

}  // namespace framering::test
