// SPDX-License-Identifier: Apache-2.0
#include "ring/reader_table.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include "ring/ordering.h"

namespace framering {
namespace {

// Some 10 ms: no honest publish takes so long, unless it is preempted.
constexpr int kLooksBeforeHelp = 150;

Fd duplicate(int fd) {
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

AddOutcome refuse(AddFault fault, const char* text) {
  AddOutcome outcome;
  outcome.fault = fault;
  outcome.text = text;
  return outcome;
}

std::unique_ptr<OwnSegment> make_bell_page() {
  auto segment = std::make_unique<OwnSegment>("framering-bell", kPageBytes);
  auto* bell = new (segment->data()) BellPage;
  bell->layout_version = kLayoutVersion;
  // release: who sees the magic sees the version.
  bell->magic.store(kBellPageMagic, std::memory_order_release);
  return segment;
}

// A reader can make its eventfd blocking and fill it, which holds the publishing thread in
// write(2). Emptying the counter lets it go, so that such a reader blocks nobody for longer than it
// is served. Its owner may have been quicker, and then a plain read(2) would hold us instead.
void empty_event(const ReaderEntry& reader) noexcept {
  if (reader.event) take_rings(reader.event.get());
}

}  // namespace

void take_rings(int event) noexcept {
  std::uint64_t rings = 0;
  const iovec part{&rings, sizeof rings};
  if (::preadv2(event, &part, 1, -1, RWF_NOWAIT) >= 0 || (errno != ENOSYS && errno != EOPNOTSUPP)) {
    return;
  }
  // In a sandbox or an emulator that lacks it, second best: who empties it between these two holds
  // us.
  pollfd rung{event, POLLIN, 0};
  if (::poll(&rung, 1, 0) == 1) (void)!::read(event, &rings, sizeof rings);
}

void nudge_line(int fd) noexcept {
  const char byte = 1;
  // A full line already holds a bell that nobody has answered; another adds nothing.
  (void)::send(fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ReaderTable::ReaderTable(std::uint32_t max_readers)
    : max_readers_(max_readers), owned_(std::make_unique<Snapshot>()) {
  current_.store(owned_.get(), std::memory_order_release);
  list_.reserve(max_readers_);
}

ReaderTable::~ReaderTable() {
  for (const auto& entry : list_) {
    entry->bell->attachment.store(static_cast<std::uint32_t>(Attachment::detached),
                                  std::memory_order_release);
  }
}

AddOutcome ReaderTable::add(NewReader reader) {
  if (count() >= max_readers_) {
    return refuse(AddFault::table_full, "the stream has all the readers it allows (--max-readers)");
  }
  auto entry = std::make_shared<ReaderEntry>();
  const SegmentFault fault = entry->page_mapping.map(reader.reader_page.get(), kPageBytes, 65536);
  if (fault != SegmentFault::none) return refuse(AddFault::bad_page, describe(fault));
  entry->page = reinterpret_cast<const ReaderPage*>(entry->page_mapping.data());
  // acquire: meets the reader's release of the magic.
  if (entry->page->magic.load(std::memory_order_acquire) != kReaderPageMagic) {
    return refuse(AddFault::bad_page, "the descriptor is no reader page: its magic is missing");
  }
  std::uint32_t version = 0;
  copy_racing(&version, &entry->page->layout_version, sizeof version);
  if (version != kLayoutVersion) {
    return refuse(AddFault::bad_page, version > kLayoutVersion
                                          ? "the reader's layout is newer: upgrade the producer"
                                          : "the reader's layout is older: upgrade the reader");
  }

  AddOutcome outcome;
  try {
    entry->bell_segment = make_bell_page();
  } catch (const std::exception&) {
    return refuse(AddFault::no_resources, "the producer is out of memory or descriptors");
  }
  entry->bell = reinterpret_cast<BellPage*>(entry->bell_segment->data());
  int line[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, line) != 0) {
    return refuse(AddFault::no_resources, "the producer is out of descriptors");
  }
  entry->line = Fd(line[0]);
  outcome.handles.line = Fd(line[1]);
  outcome.handles.bell_page = duplicate(entry->bell_segment->fd());
  entry->bell_kind = reader.bell;
  if (reader.bell == Bell::eventfd) {
    entry->event = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    outcome.handles.event = duplicate(entry->event.get());
    if (!outcome.handles.event) {
      return refuse(AddFault::no_resources, "the producer is out of descriptors");
    }
  }
  if (!outcome.handles.bell_page) {
    return refuse(AddFault::no_resources, "the producer is out of descriptors");
  }
  outcome.handles.bell = reader.bell;
  entry->id = reader.id;
  entry->uid = reader.uid;
  entry->pid = reader.pid;
  entry->page_fd = std::move(reader.reader_page);

  auto next = std::make_unique<Snapshot>(*owned_);
  {
    const std::lock_guard lock(mutex_);
    const bool taken = std::any_of(list_.begin(), list_.end(),
                                   [&](const auto& other) { return other->id == entry->id; });
    if (taken) return refuse(AddFault::id_in_use, "a reader with this id is attached already");
    list_.push_back(entry);
  }
  next->entries[next->count++] = entry.get();
  swap_in(std::move(next), nullptr);
  // release: C4, after the wait in swap_in. The reader may lease and sleep once it sees this.
  entry->bell->attachment.store(static_cast<std::uint32_t>(Attachment::attached),
                                std::memory_order_release);
  outcome.entry = std::move(entry);
  return outcome;
}

std::shared_ptr<ReaderEntry> ReaderTable::remove(std::uint64_t id) {
  // First of all, for want of memory must not leave an entry in the table that nobody keeps mapped.
  auto next = std::make_unique<Snapshot>(*owned_);
  std::shared_ptr<ReaderEntry> gone;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(list_.begin(), list_.end(),
                                    [id](const auto& entry) { return entry->id == id; });
    if (found == list_.end()) return nullptr;
    gone = *found;
    list_.erase(found);
  }
  // Before its leases stop to count: a reader that still lives checks this word before it trusts
  // what it computed from one (R7 in reader.cpp). release: the order of C1 after it is what the
  // check needs.
  gone->bell->attachment.store(static_cast<std::uint32_t>(Attachment::detached),
                               std::memory_order_release);
  const auto end = next->entries.begin() + next->count;
  next->count = static_cast<std::uint32_t>(std::remove(next->entries.begin(), end, gone.get()) -
                                           next->entries.begin());
  swap_in(std::move(next), gone.get());
  empty_event(*gone);  // the ringer may be held as well
  return gone;
}

void ReaderTable::swap_in(std::unique_ptr<Snapshot> next, const ReaderEntry* leaving) noexcept {
  current_.store(next.get(), std::memory_order_release);                  // C1
  fence_seq_cst();                                                        // C2, meets P2
  const std::uint64_t before = section_.load(std::memory_order_acquire);  // C3
  for (int looks = 0; (before & 1) != 0 && section_.load(std::memory_order_acquire) == before;
       ++looks) {
    if (leaving != nullptr) empty_event(*leaving);
    if (looks >= kLooksBeforeHelp) help_publish();
    const timespec pause{0, 20'000};
    ::nanosleep(&pause, nullptr);
  }
  owned_ = std::move(next);  // frees the old one: nobody scans it any more
}

// A reader that holds publish in write(2) would hold the control thread as well, which then does
// not even see its end. Its eventfd is emptied; should it be an honest one, its line wakes it
// instead.
void ReaderTable::help_publish() noexcept {
  for_each([](ReaderEntry& entry) {
    // relaxed: a late look comes again.
    if (!entry.event_in_hand.load(std::memory_order_relaxed)) return;
    empty_event(entry);
    nudge_line(entry.line.get());
  });
}

void ReaderTable::for_each(const std::function<void(ReaderEntry&)>& visit) {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : list_) visit(*entry);
}

std::uint32_t ReaderTable::count() {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(list_.size());
}

std::vector<std::shared_ptr<ReaderEntry>> ReaderTable::entries() {
  const std::lock_guard lock(mutex_);
  return list_;
}

}  // namespace framering
