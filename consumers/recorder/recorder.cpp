// SPDX-License-Identifier: Apache-2.0
#include "recorder.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "annex_b.h"
#include "control/names.h"
#include "ring/clock.h"
#include "wall_clock.h"

namespace framering::recorder {
namespace {

constexpr std::uint64_t kSecond_ns = 1'000'000'000;
constexpr int kFramesPerTurn = 32;  // then signals and triggers get their turn
// A ring may hold pictures from before a long pause: those are not what was asked for.
constexpr std::uint64_t kStale_ns = 60 * kSecond_ns;
// So far back it is known where key frames lie, for when a file has to be given up.
constexpr double kKeysBack_s = 30;
constexpr std::uint64_t kDrainLimit_ns = 5 * kSecond_ns;
constexpr std::chrono::seconds kFinishLimit{10};

ReaderOptions reader_options(const Options& options) {
  ReaderOptions reader;
  reader.stream = options.stream;
  reader.socket_dir = options.socket_dir;
  reader.name = "framering-recorder";
  reader.policy = Policy::every;
  // From the past that the ring holds: who was killed and started again misses nothing.
  reader.start = Start::oldest;
  reader.bell = Bell::line;
  return reader;
}

void drain(int event_fd) noexcept {
  eventfd_t ignored = 0;
  (void)::eventfd_read(event_fd, &ignored);
}

}  // namespace

Recorder::Recorder(const Options& options, int signals, Status& status)
    : options_(options),
      signals_(signals),
      status_(status),
      started_ns_(monotonic_ns()),
      triggered_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      storage_(options.storage, status),
      reader_(reader_options(options)),
      window_(options.by_trigger() ? options.pre_s : kKeysBack_s, options.post_s),
      recording_(!options.by_trigger()),
      history_checked_(!options.by_trigger()) {
  if (!triggered_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Recorder::~Recorder() = default;

bool Recorder::trigger() noexcept {
  if (!options_.by_trigger()) return false;
  // release: what comes of it is read by the other thread after it saw the time.
  trigger_ns_.store(monotonic_ns(), std::memory_order_release);
  (void)::eventfd_write(triggered_.get(), 1);
  return true;
}

bool Recorder::run() {
  try {
    while (!stop_) {
      wait();
      take_signals();
      take_triggers();
      go_back_for_abandoned_file();
      read_on();
      follow_time();
    }
    return finish();
  } catch (const std::runtime_error&) {
    end_segment(true);  // what was recorded so far is kept
    (void)storage_.finish(kFinishLimit);
    throw;
  }
}

// What was published before the end was asked for is still recorded.
bool Recorder::finish() {
  const std::uint64_t deadline_ns = monotonic_ns() + kDrainLimit_ns;
  drained_ = drained_ && storage_.has_room();
  if (recording_) {
    while (!drained_ && monotonic_ns() < deadline_ns) {
      read_on();
      if (!drained_) wait();
    }
    if (!drained_ && last_number_ != 0 && reader_.head() > last_number_) {
      count_gap(reader_.head() - last_number_);
    }
  }
  if (gap_ != 0) {
    tell("ends with " + std::to_string(gap_) + " frames that were not recorded");
    if (segment_) segment_->add_gap(gap_, reader_.head() + 1);
  }
  end_segment(true);
  return storage_.finish(kFinishLimit) && (drained_ || !recording_);
}

void Recorder::wait() {
  const bool room = storage_.has_room();
  std::uint64_t deadline_ns = UINT64_MAX;
  const std::uint64_t now_ns = monotonic_ns();
  if (room && !drained_) deadline_ns = now_ns;
  if (segment_ && segment_->flush_due_ns() != 0) {
    deadline_ns = std::min(deadline_ns, segment_->flush_due_ns());
  }
  // A clip ends by the clock when no frame comes any more; a stuck disk is looked at now and then.
  if ((options_.by_trigger() && recording_) || stop_) {
    deadline_ns = std::min(deadline_ns, now_ns + kSecond_ns);
  }
  const std::uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  const timespec limit{static_cast<time_t>(left_ns / kSecond_ns),
                       static_cast<long>(left_ns % kSecond_ns)};
  std::array<pollfd, 4> watched = {pollfd{signals_, POLLIN, 0}, pollfd{triggered_.get(), POLLIN, 0},
                                   pollfd{storage_.event_fd(), POLLIN, 0},
                                   pollfd{room ? reader_.event_fd() : -1, POLLIN, 0}};
  (void)::ppoll(watched.data(), watched.size(), deadline_ns == UINT64_MAX ? nullptr : &limit,
                nullptr);
  if (watched[2].revents != 0) drain(storage_.event_fd());
  if (watched[3].revents != 0) drained_ = false;
}

void Recorder::take_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_, &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo == SIGHUP) {
      if (const auto retention = reload_ ? reload_() : std::nullopt) storage_.retain(*retention);
    } else if (signal.ssi_signo != SIGUSR1) {
      stop_ = true;
    } else if (options_.by_signal) {
      trigger();
    }
  }
}

void Recorder::take_triggers() {
  drain(triggered_.get());
  const std::uint64_t when_ns = trigger_ns_.exchange(0, std::memory_order_acquire);
  if (when_ns == 0) return;
  status_.change([](StatusValues& values) { ++values.triggers; });
  window_.trigger(when_ns);
  if (!recording_) begin_clip();
}

void Recorder::read_on() {
  for (int turn = 0; turn < kFramesPerTurn; ++turn) {
    if (!storage_.has_room()) return;
    Frame frame;
    const bool in_place = !recording_;  // nothing of it leaves: no copy
    const auto result = in_place ? reader_.lease_next(frame, std::chrono::nanoseconds(0))
                                 : reader_.next(frame, std::chrono::nanoseconds(0));
    switch (result) {
      case ReadResult::frame:
        if (in_place) {
          watch(frame);
          reader_.release(frame);
        } else {
          record(frame);
        }
        break;
      case ReadResult::timeout:
        drained_ = true;
        return;
      case ReadResult::ended:
        end_segment(true);
        break;
      case ReadResult::state_changed:
        break;
      case ReadResult::refused:
        throw std::runtime_error(reader_.refusal());
    }
  }
}

// A frame of another ring than the one before: numbers begin anew.
void Recorder::enter_generation(const Frame& frame) {
  const std::uint32_t codec = frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
  if (codec != kCodecH264 && codec != kCodecH265 && codec != kCodecMjpeg) {
    throw Refused(options_.stream + " is " + codec_name(codec) +
                  ": only H.264, H.265 and MJPEG can be recorded");
  }
  if (codec == kCodecMjpeg && options_.container == Container::ts) {
    throw Refused(options_.stream + " is MJPEG, which MPEG-TS has no place for: use --format mp4");
  }
  if (codec == kCodecMjpeg && options_.by_motion) {
    throw Refused(options_.stream + " is MJPEG: the sizes of its pictures tell nothing of motion");
  }
  end_segment(true);
  generation_ = frame.generation;
  last_number_ = 0;
  need_key_ = true;
  window_.forget_keys();
  gauge_.restart();
}

// What every frame tells, recorded or not.
void Recorder::note(const Frame& frame, std::uint64_t captured_ns) {
  if (frame.generation != generation_) enter_generation(frame);
  if (frame.key()) window_.saw_key(frame.number, captured_ns);
  if (options_.by_motion && !frame.key() && frame.bytes.size() >= options_.motion_bytes) {
    if (!window_.wants(captured_ns)) {
      status_.change([](StatusValues& values) { ++values.triggers; });
    }
    window_.trigger(captured_ns);
  }
}

bool Recorder::is_stale(std::uint64_t captured_ns) const noexcept {
  return last_number_ == 0 && captured_ns + kStale_ns < started_ns_;
}

// Refused at the beginning; later, when more is sent than was then, there is only a warning.
void Recorder::check_history() {
  const std::string objection = gauge_.objection(options_.pre_s, reader_.history_bytes(),
                                                 reader_.history_frames(), options_.stream);
  if (!objection.empty() && !history_checked_) throw Refused(objection);
  if (!objection.empty()) tell(objection);
  history_checked_ = true;
  gauge_.restart();
}

void Recorder::watch(const Frame& frame) {
  const std::uint64_t captured_ns = capture_time(frame.meta, frame.published_ns, monotonic_ns());
  if (is_stale(captured_ns)) return;
  note(frame, captured_ns);
  gauge_.saw(frame.bytes.size(), frame.key(), captured_ns);
  if (gauge_.ready()) check_history();
  if (window_.first_trigger_ns() != 0) begin_clip();  // it moves
}

void Recorder::begin_clip() {
  recording_ = true;
  need_key_ = true;
  last_number_ = gap_ = 0;
  drained_ = false;
  if (reader_.generation() != generation_) window_.forget_keys();
  while (const auto first = window_.first_frame()) {
    if (reader_.go_to_key(*first)) return;
    window_.drop_oldest_key();
  }
}

void Recorder::end_clip() {
  end_segment(true);
  recording_ = false;
  window_.end();
}

void Recorder::record(const Frame& frame) {
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t captured_ns = capture_time(frame.meta, frame.published_ns, now_ns);
  if (is_stale(captured_ns)) return;
  const bool begun = last_number_ != 0;
  note(frame, captured_ns);
  if (options_.by_trigger() && !window_.wants(captured_ns)) return end_clip();
  if (begun) {
    // Also when this is the first one of another generation, which begins with what it has lost.
    last_number_ = std::max(last_number_, frame.number - 1);
    count_gap(frame.lost_before);
  }
  put(frame, captured_ns, now_ns);
  last_number_ = frame.number;
}

void Recorder::put(const Frame& frame, std::uint64_t captured_ns, std::uint64_t now_ns) {
  if (need_key_ && !frame.key()) {
    if (last_number_ != 0) count_gap(1);
    return;
  }
  try {
    if (frame.key()) {
      Format format = format_of(frame);
      if (!segment_ || segment_is_over(captured_ns) || format != segment_->format()) {
        end_segment(true);
        const std::uint64_t cause_ns = options_.by_trigger() ? window_.first_trigger_ns() : 0;
        segment_ =
            std::make_unique<Segment>(storage_, std::move(format), options_.stream, captured_ns,
                                      cause_ns != 0 ? wall_clock_ms(cause_ns) : 0);
        key_asked_ = false;
      }
    } else if (!key_asked_ && segment_is_over(captured_ns)) {
      key_asked_ = true;
      reader_.request_key_frame();
    }
    segment_->add(frame, captured_ns, now_ns);
    if (gap_ != 0) segment_->add_gap(std::exchange(gap_, 0), frame.number);
    need_key_ = false;
    status_.change([](StatusValues& values) { ++values.frames; });
  } catch (const std::runtime_error& error) {
    tell(std::string("a frame is left out: ") + error.what());
    end_segment(false);
    need_key_ = true;
    count_gap(1);
  }
}

Format Recorder::format_of(const Frame& frame) const {
  Format format;
  format.container = options_.container;
  format.codec = frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
  format.width = frame.meta.width;
  format.height = frame.meta.height;
  format.time_base_num = reader_.time_base_num();
  format.time_base_den = reader_.time_base_den();
  format.generation = frame.generation;
  if (format.codec != kCodecMjpeg) {
    format.parameter_sets = parameter_sets_of(frame.bytes, format.codec);
    if (format.parameter_sets.empty() && frame.meta.parameter_set != 0) {
      format.parameter_sets = reader_.parameter_set(frame.meta.parameter_set);
    }
  }
  return format;
}

bool Recorder::segment_is_over(std::uint64_t captured_ns) const {
  if (options_.segment_bytes != 0 && segment_->bytes() >= options_.segment_bytes) return true;
  if (segment_->bytes() >= storage_.enough_for_a_file()) return true;
  if (options_.segment_s <= 0) return false;
  if (options_.segment_by_clock) {
    const auto part = [this](std::int64_t wall_ms) {
      return static_cast<std::int64_t>(static_cast<double>(wall_ms) / 1000 / options_.segment_s);
    };
    return part(wall_clock_ms(captured_ns)) != part(segment_->began_ms());
  }
  // Captures jitter: a key frame that is a little early is the one that was meant.
  constexpr double kEarly_s = 0.005;
  const std::uint64_t began_ns = segment_->began_ns();
  const std::uint64_t lasts_ns = captured_ns > began_ns ? captured_ns - began_ns : 0;
  return static_cast<double>(lasts_ns) / 1e9 + kEarly_s >= options_.segment_s;
}

void Recorder::end_segment(bool whole) {
  if (!segment_) return;
  std::exchange(segment_, nullptr)->end(whole);
}

// The next frame that gets into a file says it there.
void Recorder::count_gap(std::uint64_t frames) {
  if (frames == 0) return;
  const bool begins = std::exchange(gap_, gap_ + frames) == 0;
  status_.change([&](StatusValues& values) {
    values.gaps += begins ? 1 : 0;
    values.frames_lost += frames;
  });
}

void Recorder::tell(const std::string& trouble) {
  if (trouble != told_) std::fprintf(stderr, "framering-recorder: %s\n", trouble.c_str());
  told_ = trouble;
}

// What is due although no frame comes.
void Recorder::follow_time() {
  const std::uint64_t now_ns = monotonic_ns();
  if (options_.by_trigger() && recording_ && drained_ && !window_.wants(now_ns - kSecond_ns)) {
    return end_clip();
  }
  if (!segment_ || segment_->flush_due_ns() == 0 || segment_->flush_due_ns() > now_ns) return;
  try {
    segment_->flush();
  } catch (const std::runtime_error& error) {
    tell(error.what());
    end_segment(false);
    need_key_ = true;
  }
}

// What was given to that file and did not get there is read again, as far as the ring still has it.
void Recorder::go_back_for_abandoned_file() {
  const auto through = storage_.take_abandoned();
  if (!through || !recording_) return;
  end_segment(false);
  need_key_ = true;
  drained_ = false;
  const std::uint64_t wanted = *through + 1;
  if (reader_.generation() != generation_) window_.forget_keys();
  while (const auto key = window_.key_for(wanted)) {
    if (reader_.go_to_key(*key)) {
      if (*key > wanted) count_gap(*key - wanted);
      last_number_ = *key - 1;
      return;
    }
    window_.drop_oldest_key();
  }
  if (last_number_ >= wanted) count_gap(last_number_ - *through);
}

}  // namespace framering::recorder
