// SPDX-License-Identifier: Apache-2.0
//
// A producer that lies: to the broker about its ring, and to the readers of its stream by header,
// slots, sizes and the pages it hands them.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "hostile_attack.h"
#include "ring/writer.h"

namespace framering::test {
namespace {

RingOptions ring_options() {
  RingOptions options;
  options.name = "lie";
  options.arena_bytes = 1u << 18;
  options.slot_count = 64;
  options.inter_coded = true;
  return options;
}

void announce(RawPeer& peer, std::uint64_t generation, int ring) {
  Draft draft(1);
  auto announce = draft->initAnnounce();
  announce.setProtocol(kProtocolVersion);
  announce.setLayout(kLayoutVersion);
  announce.setStream(kLyingStream);
  announce.setGeneration(generation);
  announce.setProgram("an honest producer");
  peer.channel.send(draft, {ring});
}

// To the broker: rings that are unsealed, sparse or shrinking, and headers that contradict
// themselves.
void hand_over_broken_rings(const Neighbourhood& where) {
  RingWriter writer(ring_options());
  ForeignSegment like;
  if (like.map(writer.fd(), kPageBytes, SIZE_MAX) != SegmentFault::none) return;
  std::mt19937_64 random(0x11E);
  where.score->ready.store(1);
  for (std::uint64_t round = 0;; ++round) {
    RawPeer peer(where.dir, Role::producer);
    Fd fd;
    std::unique_ptr<OwnSegment> sealed;
    if (round % 2 == 0) {
      fd = broken_memfd(like.data(), like.bytes(),
                        static_cast<MemoryFault>(round / 2 % kMemoryFaults));
    } else {
      sealed = std::make_unique<OwnSegment>("framering-lie", like.bytes());
      std::memcpy(sealed->data(), like.data(), sizeof(RingHeader));
      auto* const words = reinterpret_cast<std::uint32_t*>(sealed->data());
      for (std::size_t word = 2; word < 30; ++word) {  // all that is fixed, but the magic
        if (word != 4 && word != 5) words[word] = static_cast<std::uint32_t>(random());
      }
      fd = Fd(::dup(sealed->fd()));
    }
    announce(peer, writer.generation(), fd.get());
    if (peer.wait() == Received::message && peer.inbox.message().isAnnounced()) {
      where.score->successes.fetch_add(1, std::memory_order_relaxed);
    }
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
    nap_us(500);
  }
}

// Answers whoever attaches to `peer`'s stream with the descriptors given. `lines` keeps our ends
// open: a closed line would only say that we are gone.
void serve_readers(RawPeer& peer, std::vector<Fd>& lines, int bell_page, int extra) {
  while (peer.channel.receive(peer.inbox) == Received::message) {
    if (!peer.inbox.message().isAddReader()) continue;
    int line[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, line) != 0) return;
    const Fd theirs(line[1]);
    lines.emplace_back(line[0]);
    if (lines.size() > 64) lines.erase(lines.begin());
    Draft draft(peer.inbox.message().getRequest());
    auto added = draft->initReaderAdded();
    added.setId(peer.inbox.message().getAddReader().getId());
    added.setBell(static_cast<std::uint32_t>(extra < 0 ? Bell::futex : Bell::eventfd));
    if (extra < 0) {
      peer.channel.send(draft, {bell_page, theirs.get()});
    } else {
      peer.channel.send(draft, {bell_page, theirs.get(), extra});
    }
  }
}

// To its readers: a ring that the broker found in order, whose every word then changes at random.
void scribble_in_its_ring(const Neighbourhood& where) {
  const RingWriter honest(ring_options());
  ForeignSegment like;
  if (like.map(honest.fd(), kPageBytes, SIZE_MAX) != SegmentFault::none) return;
  OwnSegment mine("framering-lie", like.bytes());
  std::memcpy(mine.data(), like.data(), like.bytes());
  OwnSegment bell_page("framering-bell", kPageBytes);
  auto* const bell = new (bell_page.data()) BellPage;
  bell->layout_version = kLayoutVersion;
  bell->attachment.store(static_cast<std::uint32_t>(Attachment::attached));
  bell->magic.store(kBellPageMagic);
  RawPeer peer(where.dir, Role::producer);
  announce(peer, honest.generation(), mine.fd());
  if (peer.wait() != Received::message || !peer.inbox.message().isAnnounced()) return;

  auto* const words = reinterpret_cast<SharedU64*>(mine.data());
  auto* const bells = reinterpret_cast<SharedU64*>(bell_page.data());
  const std::size_t end = (kSlotsOffset + 64 * sizeof(FrameSlot)) / 8;
  std::mt19937_64 random(0x5C1B);
  auto* const header = reinterpret_cast<RingHeader*>(mine.data());
  auto* const slots = reinterpret_cast<FrameSlot*>(mine.data() + kSlotsOffset);
  where.score->ready.store(1);
  std::vector<Fd> lines;
  constexpr std::size_t kFixedBytes = offsetof(RingHeader, head);
  for (std::uint64_t round = 0;; ++round) {
    // Mostly the fixed part is as the broker has seen it, so that readers come in.
    const bool fixed_too = round % 64 > 48;
    if (!fixed_too) std::memcpy(mine.data(), like.data(), kFixedBytes);
    const std::size_t begin = fixed_too ? 0 : kFixedBytes / 8;
    for (int i = 0; i < 512; ++i) {
      const std::uint64_t word = random();
      const std::uint64_t value = (word & 256) != 0 ? word : word >> 54;
      words[begin + random() % (end - begin)].store(value, std::memory_order_relaxed);
      if (i % 64 == 0) bells[8 + random() % 120].store(value, std::memory_order_relaxed);
    }
    // So that readers get past the first check: frames that look right but for what they say.
    const std::uint64_t n = 1 + round % 1'000'000;
    slots[n % 64].record.size = static_cast<std::uint32_t>(random() % 70'000);
    slots[n % 64].record.position = random() % 4096 * 64;
    slots[n % 64].record.meta.flags = kFrameKey;
    slots[n % 64].number.store(n, std::memory_order_release);
    header->intent.store(0, std::memory_order_relaxed);
    header->reclaimed.store(0, std::memory_order_relaxed);
    header->newest_key.store(n, std::memory_order_relaxed);
    header->source_state.store(1, std::memory_order_relaxed);
    header->head.store(round % 7 == 0 ? random() : n, std::memory_order_release);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
    serve_readers(peer, lines, bell_page.fd(), -1);
    if (!peer.channel.is_open()) sleep_for_ever();
  }
}

// To its readers: bell pages that are none, and descriptors of other kinds.
void hand_over_broken_bell_pages(const Neighbourhood& where) {
  const RingWriter honest(ring_options());
  ForeignSegment like;
  if (like.map(honest.fd(), kPageBytes, SIZE_MAX) != SegmentFault::none) return;
  const Fd event(::eventfd(0, EFD_CLOEXEC));
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const OwnSegment empty("framering-bell", kPageBytes);
  where.score->ready.store(1);
  for (std::uint64_t round = 0;; ++round) {
    RawPeer peer(where.dir, Role::producer);
    announce(peer, honest.generation(), honest.fd());
    std::vector<Fd> lines;
    const Fd broken =
        broken_memfd(like.data(), like.bytes(), static_cast<MemoryFault>(round % kMemoryFaults));
    const int pages[] = {broken.get(), empty.fd(), null.get(), event.get()};
    for (int served = 0; served < 20; ++served, nap_us(1000)) {
      serve_readers(peer, lines, pages[round % 4], round % 3 == 0 ? null.get() : -1);
    }
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
}

// Takes the name, and never reads or answers again.
void take_a_name_and_be_silent(const Neighbourhood& where) {
  const RingWriter honest(ring_options());
  RawPeer peer(where.dir, Role::producer);
  announce(peer, honest.generation(), honest.fd());
  where.score->ready.store(1);
  sleep_for_ever();
}

}  // namespace

std::vector<Attack> producer_attacks() {
  return {
      {"AProducerHandsOverBrokenRings", "rings", Standing::insider, hand_over_broken_rings},
      {"AProducerScribblesInItsOwnRing", "rounds", Standing::insider, scribble_in_its_ring, true},
      {"AProducerHandsOverBrokenBellPages", "lives", Standing::insider, hand_over_broken_bell_pages,
       true},
      {"AProducerTakesANameAndIsSilent", "", Standing::insider, take_a_name_and_be_silent, true},
  };
}

}  // namespace framering::test
