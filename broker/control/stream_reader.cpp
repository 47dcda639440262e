// SPDX-License-Identifier: Apache-2.0
#include "control/stream_reader.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

#include "control/message.h"
#include "control/reader_link.h"
#include "ring/clock.h"
#include "ring/cores.h"
#include "ring/probes.h"
#include "ring/reader.h"
#include "ring/wake_predictor.h"

namespace framering {

namespace {

// How often a reader that is kept busy, or sleeps, looks at its line and its broker.
constexpr std::uint64_t kLook_ns = 1'000'000'000;
// By the futex bell: what line and broker have to say is not asked more often than this, and is
// asked this long after falling asleep, since it may have come just before.
constexpr std::uint64_t kFirstSleep_ns = 50'000'000;
constexpr std::uint64_t kForEver = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kBrokenRing_ns = 1'000'000'000;  // before a ring that lied is tried again
constexpr int kArmTries = 4;

ReaderOptions checked(ReaderOptions options) {
  if (!valid_stream_name(options.stream)) {
    throw std::invalid_argument("stream \"" + options.stream + "\": " + kStreamNameRule);
  }
  if (options.predictive && options.bell != Bell::futex) {
    throw std::invalid_argument(
        "predictive wake-up needs the futex bell: who waits in an event "
        "loop cannot be awake in advance");
  }
  if (options.name.empty()) options.name = ::program_invocation_short_name;
  return options;
}

ReaderPage& make_page(const OwnSegment& segment) {
  auto* page = new (segment.data()) ReaderPage;
  page->layout_version = kLayoutVersion;
  // release: who sees the magic sees the version.
  page->magic.store(kReaderPageMagic, std::memory_order_release);
  return *page;
}

// Timed sleeps of this thread end as soon as they can, for as long as it lives; by default the
// kernel lets them last 50 us longer, together with others, see prctl(2), PR_SET_TIMERSLACK.
class PreciseTimer {
 public:
  PreciseTimer() noexcept : usual_ns_(::prctl(PR_GET_TIMERSLACK)) { set(1); }
  ~PreciseTimer() {
    if (usual_ns_ > 0) set(usual_ns_);
  }
  PreciseTimer(const PreciseTimer&) = delete;
  PreciseTimer& operator=(const PreciseTimer&) = delete;

 private:
  static void set(int slack_ns) noexcept {
    (void)::prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack_ns));
  }

  int usual_ns_;
};

}  // namespace

class StreamReader::Impl {
 public:
  explicit Impl(const ReaderOptions& given)
      : options(checked(given)),
        page_segment("framering-reader", kPageBytes),
        page(make_page(page_segment)),
        ring(page),
        link(options, page_segment.fd()) {
    set_policy(options.policy);
    const bool cores_to_spare = usable_cores() > 1;
    if (options.predictive && cores_to_spare) predictor_.emplace();
    may_trail_ = options.bell == Bell::futex && cores_to_spare;
    page.demand.store(options.demand ? 1 : 0, std::memory_order_relaxed);
    look(monotonic_ns());
  }

  // Copies go to `into`, else to buffer_. Nothing: see StreamReader::next_into.
  [[nodiscard]] std::optional<ReadResult> read(Frame& frame, std::chrono::nanoseconds timeout,
                                               bool lease,
                                               std::optional<std::span<std::byte>> into = {});
  void request_key_frame() noexcept;
  void set_policy(Policy policy) noexcept {
    policy_ = policy;
    ring.set_policy(policy, options.max_lag_frames);
  }
  void release(const Frame& frame) noexcept;
  [[nodiscard]] std::shared_ptr<const ForeignSegment> memory() const noexcept {
    if (former_) return former_->ring;
    return ring.is_attached() && served() ? link.attachment()->ring : nullptr;
  }
  // There is a ring, and either its producer serves us or it is not read to its end.
  [[nodiscard]] bool reading() const noexcept { return ring.is_attached() && !drained_; }
  [[nodiscard]] SourceState state() const noexcept {
    return reading() ? ring.ring().state() : SourceState::starting;
  }

  const ReaderOptions options;
  const OwnSegment page_segment;
  ReaderPage& page;
  RingReader ring;
  ReaderLink link;

 private:
  // A frame that lease_next handed out as a copy, until it is released.
  struct LooseCopy {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t capacity = 0;
    bool in_use = false;
  };

  // The producer of the ring that is read serves us: it rings, and it respects leases.
  [[nodiscard]] bool served() const noexcept {
    return link.attachment() != nullptr && link.attachment()->id == bound_id_;
  }
  [[nodiscard]] ReadOutcome take(Frame& frame, bool lease,
                                 std::optional<std::span<std::byte>> into);
  [[nodiscard]] ReadOutcome copy_aside(Frame& frame);
  [[nodiscard]] std::optional<ReadResult> news(SourceState now);
  void look(std::uint64_t now_ns);
  void begin(const ReaderAttachment& attachment);
  void change_ring_if_drained();
  void give_up_broken_ring(std::uint64_t now_ns);
  void retire(std::unique_ptr<ReaderAttachment> over) noexcept;
  [[nodiscard]] bool may_sleep() noexcept;
  [[nodiscard]] bool sleep(std::uint64_t now_ns, std::uint64_t deadline_ns, bool first);
  [[nodiscard]] bool sleep_until_due(const WakePredictor::Window& window, std::uint64_t now_ns);
  void spin(const WakePredictor::Window& window, std::uint64_t now_ns) noexcept;

  std::unique_ptr<std::byte[]> buffer_;  // what next() copies into
  std::size_t buffer_bytes_ = 0;
  std::vector<LooseCopy> loose_;

  std::uint64_t bound_id_ = 0;  // of the attachment whose ring is read
  // That attachment once it is over: its producer is gone, or has let go of us.
  std::unique_ptr<ReaderAttachment> former_;
  bool drained_ = false;                       // former_ was read to its end
  std::unique_ptr<ReaderAttachment> retired_;  // older ones, whose memory is still leased
  Policy policy_ = Policy::live;
  bool resumed_ = false;  // something was read before
  SourceState reported_ = SourceState::starting;
  std::uint64_t looked_ns_ = 0;   // at line and broker
  std::uint32_t futex_word_ = 0;  // as of may_sleep
  std::optional<WakePredictor> predictor_;
  bool may_trail_ = false;  // an event loop has other things to do meanwhile
};

std::optional<ReadResult> StreamReader::Impl::read(Frame& frame, std::chrono::nanoseconds timeout,
                                                   bool lease,
                                                   std::optional<std::span<std::byte>> into) {
  std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t deadline_ns =
      timeout.count() < 0 ? kForEver : now_ns + static_cast<std::uint64_t>(timeout.count());
  bool first_sleep = true;
  int tries = 0;
  // Only after a sleep: who is behind anyway has the next frame sooner by leaving the writer alone.
  ring.set_trailing(false);
  if (into || lease) ring.forget_trail();  // other memory than buffer_, if perhaps where one was
  for (;;) {
    if (now_ns >= looked_ns_ + kLook_ns) look(now_ns);
    const bool over = former_ != nullptr;  // nothing follows what this ring is found to hold
    if (ring.is_attached()) {
      // The state before the head: once it says `ended`, no frame follows what we find.
      const SourceState state_before = ring.ring().state();
      const ReadOutcome outcome = take(frame, lease, into);
      if (ring.take_key_wish()) request_key_frame();
      if (outcome == ReadOutcome::frame) {
        drained_ = false;
        if (state_before == SourceState::live) reported_ = SourceState::live;
        if (predictor_) predictor_->saw_frame(frame.number, frame.published_ns);
        return ReadResult::frame;
      }
      if (outcome == ReadOutcome::too_small) return {};
      if (outcome == ReadOutcome::broken) give_up_broken_ring(now_ns);
      if (const auto told = news(reading() ? state_before : state())) return *told;
    }
    // Nothing to read. Before any sleep: whoever was told something while awake is not woken again.
    // Two system calls that a frame need not pay for, where a sleep is short and a bell is a word.
    const bool served_before = served();
    if (options.bell != Bell::futex || !served_before || over ||
        now_ns >= looked_ns_ + kFirstSleep_ns) {
      look(now_ns);
    }
    if (link.take_refused()) return ReadResult::refused;
    if (former_ && !over) continue;  // it ended after we had looked, perhaps with a last frame
    change_ring_if_drained();
    if (served() && !served_before) continue;
    // Of a ring that is read, the state above says it: this one may be newer than the head was.
    if (!reading()) {
      if (const auto told = news(state())) return *told;
    }

    if (now_ns >= deadline_ns && options.bell == Bell::futex) return ReadResult::timeout;
    ring.set_trailing(may_trail_ && !lease && deadline_ns > now_ns);
    if (served() && !may_sleep()) {  // a frame or a new state came meanwhile
      if (now_ns >= deadline_ns && ++tries > kArmTries) {
        link.call_again();  // nothing is armed that would ring an event loop
        return ReadResult::timeout;
      }
      now_ns = monotonic_ns();
      continue;
    }
    if (now_ns >= deadline_ns) return ReadResult::timeout;
    const std::uint64_t began_ns = now_ns;
    if (!sleep(now_ns, deadline_ns, first_sleep)) return ReadResult::timeout;  // a signal
    now_ns = monotonic_ns();
    // A late ring for a frame that was found already ends it early: still the first one.
    if (now_ns >= began_ns + kFirstSleep_ns) first_sleep = false;
  }
}

// What the caller is to be told of the source, once for each change.
std::optional<ReadResult> StreamReader::Impl::news(SourceState now) {
  if (!reading() && reported_ == SourceState::ended) reported_ = SourceState::starting;
  if (now == reported_ || (reading() && now != ring.ring().state())) return {};
  reported_ = now;
  return now == SourceState::ended ? ReadResult::ended : ReadResult::state_changed;
}

// Looks at line and broker, and takes in what they brought.
void StreamReader::Impl::look(std::uint64_t now_ns) {
  looked_ns_ = now_ns;
  link.service(now_ns);
  if (link.orphaned()) {
    std::unique_ptr<ReaderAttachment> over = link.release(0);
    if (over->id == bound_id_) former_ = std::move(over);
    link.service(now_ns);  // attaches anew, meanwhile the old ring is read to its end
  }
  const ReaderAttachment* fresh = link.attachment();
  if (fresh == nullptr || fresh->id == bound_id_) return;
  if (!ring.is_attached()) {
    begin(*fresh);
  } else if (former_ && fresh->ring == former_->ring) {
    ring.rebind(fresh->bell_page);  // the same ring: goes on where it was
    bound_id_ = fresh->id;
    drained_ = false;
    retire(std::move(former_));
  }
}

void StreamReader::Impl::begin(const ReaderAttachment& attachment) {
  const std::size_t largest = attachment.view.max_frame_bytes();
  if (largest > buffer_bytes_) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(largest);  // untouched until needed
    buffer_bytes_ = largest;
  }
  page.attached_ns.store(monotonic_ns(), std::memory_order_relaxed);
  if (predictor_) predictor_->forget();
  // Whoever wants every frame begins a later generation at its first.
  const Start later = policy_ == Policy::every ? Start::oldest : Start::key;
  ring.attach(attachment.view, attachment.bell_page, resumed_ ? later : options.start, resumed_);
  bound_id_ = attachment.id;
  drained_ = false;
  resumed_ = true;
}

// The ring whose producer is gone has nothing more to give.
void StreamReader::Impl::change_ring_if_drained() {
  if (!former_) return;
  drained_ = true;
  const ReaderAttachment* fresh = link.attachment();
  if (fresh == nullptr) return;
  ring.detach();
  retire(std::move(former_));
  begin(*fresh);
}

void StreamReader::Impl::give_up_broken_ring(std::uint64_t now_ns) {
  ring.detach();
  bound_id_ = 0;
  retire(std::move(former_));
  retire(link.release(now_ns + kBrokenRing_ns));
}

void StreamReader::Impl::retire(std::unique_ptr<ReaderAttachment> over) noexcept {
  if (!over || ring.leases_held() == 0) return;
  over->older = std::move(retired_);
  retired_ = std::move(over);
}

void StreamReader::Impl::release(const Frame& frame) noexcept {
  ring.release(frame);
  if (ring.leases_held() == 0) retired_.reset();
  for (LooseCopy& copy : loose_) {
    if (copy.bytes.get() == frame.bytes.data()) copy.in_use = false;
  }
}

void StreamReader::Impl::request_key_frame() noexcept {
  // relaxed: the count is all there is to see.
  const std::uint64_t before = page.key_requests.fetch_add(1, std::memory_order_relaxed);
  FRAMERING_PROBE1(key_request, before + 1);
  link.nudge();
}

ReadOutcome StreamReader::Impl::take(Frame& frame, bool lease,
                                     std::optional<std::span<std::byte>> into) {
  if (into) return ring.copy_next(frame, *into);
  if (!lease) return ring.copy_next(frame, {buffer_.get(), buffer_bytes_});
  const ReadOutcome outcome = ring.lease_next(frame);
  return outcome == ReadOutcome::no_cell ? copy_aside(frame) : outcome;
}

// The one place on the frame path that may allocate: more frames are held than there are lease
// cells.
ReadOutcome StreamReader::Impl::copy_aside(Frame& frame) {
  auto copy = std::find_if(loose_.begin(), loose_.end(),
                           [](const LooseCopy& candidate) { return !candidate.in_use; });
  if (copy == loose_.end()) copy = loose_.emplace(loose_.end());
  if (copy->capacity < buffer_bytes_) {
    copy->bytes = std::make_unique_for_overwrite<std::byte[]>(buffer_bytes_);
    copy->capacity = buffer_bytes_;
  }
  const ReadOutcome outcome = ring.copy_next(frame, {copy->bytes.get(), copy->capacity});
  copy->in_use = outcome == ReadOutcome::frame;
  return outcome;
}

// Arms the bell. False: do not sleep, there is something to read.
bool StreamReader::Impl::may_sleep() noexcept {
  if (!ring.arm(futex_word_)) return false;
  if (ring.ring().state() == reported_) return true;
  ring.disarm();
  return false;
}

// Sleeps until a bell, the broker, a time to look, or the deadline. False: a signal came.
bool StreamReader::Impl::sleep(std::uint64_t now_ns, std::uint64_t deadline_ns, bool first) {
  const std::uint64_t left_ns = deadline_ns - now_ns;
  errno = 0;
  if (served() && options.bell == Bell::futex) {
    const std::uint64_t slice_ns = std::min(left_ns, first ? kFirstSleep_ns : kLook_ns);
    if (predictor_) {
      const auto window = predictor_->next_window(now_ns, now_ns + slice_ns);
      if (window) return sleep_until_due(*window, now_ns);
    }
    ring.sleep(futex_word_, static_cast<std::int64_t>(slice_ns));
    const bool interrupted = errno == EINTR;
    ring.disarm();
    return !interrupted;
  }
  // The descriptor shows line, eventfd, broker, and the time of the next try to connect.
  pollfd watched{link.event_fd(), POLLIN, 0};
  const std::uint64_t slice_ns = served() ? std::min(left_ns, kLook_ns) : left_ns;
  const auto capped_ns = std::min<std::uint64_t>(slice_ns, 3'600'000'000'000);
  const timespec limit{static_cast<time_t>(capped_ns / 1'000'000'000),
                       static_cast<long>(capped_ns % 1'000'000'000)};
  return ::ppoll(&watched, 1, &limit, nullptr) >= 0;
}

// Sleeps, armed, until shortly before the next frame is due; then looks for it without sleeping.
// False: a signal came.
bool StreamReader::Impl::sleep_until_due(const WakePredictor::Window& window,
                                         std::uint64_t now_ns) {
  if (window.wake_ns > now_ns) {
    const PreciseTimer precise;
    ring.sleep(futex_word_, static_cast<std::int64_t>(window.wake_ns - now_ns));
    const int ended_by = errno;  // 0, or EAGAIN: a bell
    ring.disarm();
    if (ended_by == EINTR) return false;
    if (ended_by != ETIMEDOUT) {
      if (ring.has_next()) predictor_->rung(window, monotonic_ns());
      return true;
    }
    now_ns = monotonic_ns();
    predictor_->woke(window, now_ns);
  } else {
    ring.disarm();
  }
  // Not armed from here on: who publishes now makes no system call for us. If nothing comes, read()
  // arms and checks again before it sleeps, as always.
  spin(window, now_ns);
  return true;
}

void StreamReader::Impl::spin(const WakePredictor::Window& window, std::uint64_t now_ns) noexcept {
  const std::uint64_t began_ns = now_ns;
  auto outcome = WakePredictor::Spin::missed;
  for (std::uint64_t before_ns = now_ns; now_ns < window.until_ns; before_ns = now_ns) {
    const bool found = ring.has_next();
    now_ns = monotonic_ns();
    if (now_ns - before_ns > WakePredictor::kPreempted_ns) {
      outcome = WakePredictor::Spin::preempted;
      break;
    }
    if (found) {
      outcome = WakePredictor::Spin::found;
      break;
    }
    if (ring.ring().state() != reported_) break;
    spin_pause();
  }
  predictor_->spun(outcome, began_ns, now_ns);
}

StreamReader::StreamReader(const ReaderOptions& options) : impl_(std::make_unique<Impl>(options)) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;

ReadResult StreamReader::next(Frame& frame, std::chrono::nanoseconds timeout) {
  return impl_->read(frame, timeout, false).value_or(ReadResult::timeout);
}

std::optional<ReadResult> StreamReader::next_into(Frame& frame, std::span<std::byte> into,
                                                  std::chrono::nanoseconds timeout) {
  return impl_->read(frame, timeout, false, into);
}

ReadResult StreamReader::lease_next(Frame& frame, std::chrono::nanoseconds timeout) {
  return impl_->read(frame, timeout, true).value_or(ReadResult::timeout);
}

bool StreamReader::lease_valid(const Frame& frame) noexcept {
  return impl_->ring.lease_valid(frame);
}
void StreamReader::release(const Frame& frame) noexcept {
  impl_->release(frame);
}
std::shared_ptr<const ForeignSegment> StreamReader::memory() const noexcept {
  return impl_->memory();
}
int StreamReader::event_fd() const noexcept {
  return impl_->link.event_fd();
}
void StreamReader::request_key_frame() noexcept {
  impl_->request_key_frame();
}

void StreamReader::set_demand(bool wants_frames) noexcept {
  impl_->page.demand.store(wants_frames ? 1 : 0, std::memory_order_relaxed);
  impl_->link.nudge();
}

void StreamReader::report_backlog(std::uint32_t frames, std::uint32_t bytes,
                                  std::uint32_t kbps) noexcept {
  // relaxed: hints, which the producer looks at now and then.
  impl_->page.backlog_frames.store(frames, std::memory_order_relaxed);
  impl_->page.backlog_bytes.store(bytes, std::memory_order_relaxed);
  impl_->page.wanted_kbps.store(kbps, std::memory_order_relaxed);
}

bool StreamReader::jump_to_newest_key() noexcept {
  return impl_->ring.jump_to_newest_key();
}
bool StreamReader::go_to_key(std::uint64_t number) noexcept {
  return impl_->ring.go_to_key(number);
}
void StreamReader::set_policy(Policy policy) noexcept {
  impl_->set_policy(policy);
}

Link StreamReader::link() const noexcept {
  if (impl_->reading()) return Link::attached;
  return impl_->link.connected() ? Link::no_stream : Link::no_broker;
}

SourceState StreamReader::state() const noexcept {
  return impl_->state();
}
ReadCounts StreamReader::counts() const noexcept {
  return impl_->ring.counts();
}
const std::string& StreamReader::refusal() const noexcept {
  return impl_->link.refusal();
}

std::uint64_t StreamReader::generation() const noexcept {
  return impl_->reading() ? impl_->ring.ring().generation() : 0;
}

std::uint64_t StreamReader::head() const noexcept {
  return impl_->reading() ? impl_->ring.ring().head() : 0;
}

std::uint32_t StreamReader::codec() const noexcept {
  return impl_->reading() ? impl_->ring.ring().codec() : 0;
}

std::uint32_t StreamReader::time_base_num() const noexcept {
  return impl_->ring.ring().time_base_num();
}

std::uint32_t StreamReader::time_base_den() const noexcept {
  return impl_->ring.ring().time_base_den();
}

std::uint64_t StreamReader::history_bytes() const noexcept {
  return impl_->reading() ? impl_->ring.ring().arena_bytes() : 0;
}

std::uint32_t StreamReader::history_frames() const noexcept {
  return impl_->reading() ? impl_->ring.ring().slot_count() : 0;
}

std::vector<std::byte> StreamReader::parameter_set(std::uint64_t number) const {
  std::vector<std::byte> bytes(kMaxParameterSetBytes);
  const RingView& ring = impl_->ring.ring();
  bytes.resize(ring.is_open() ? ring.read_parameter_set(number, bytes) : 0);
  return bytes;
}

}  // namespace framering
