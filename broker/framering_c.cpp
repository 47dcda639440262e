// SPDX-License-Identifier: Apache-2.0
//
// The C API over StreamReader and StreamWriter. What crosses here is translated field by field: the
// C structs are a promise to programs already built, the C++ ones are not.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "control/stream_reader.h"
#include "control/stream_writer.h"
#include "framering.h"
#include "ring/segment.h"

using framering::Frame;
using framering::FrameMeta;

struct framering_reader {
  framering::StreamReader reader;
};

struct framering_memory {
  std::shared_ptr<const framering::ForeignSegment> ring;
};

struct framering_writer {
  framering::StreamWriter writer;
  std::size_t reserved = 0;  // bytes of the span that the caller holds; 0 = none
};

static_assert(FRAMERING_CODEC_H264 == framering::kCodecH264);
static_assert(FRAMERING_CODEC_H265 == framering::kCodecH265);
static_assert(FRAMERING_CODEC_MJPEG == framering::kCodecMjpeg);
static_assert(FRAMERING_CODEC_PATTERN == framering::kCodecPattern);
static_assert(FRAMERING_CODEC_I420 == framering::kCodecI420);
static_assert(FRAMERING_CODEC_NV12 == framering::kCodecNv12);
static_assert(FRAMERING_FRAME_KEY == framering::kFrameKey);
static_assert(FRAMERING_FRAME_HAS_PARAMETERS == framering::kFrameHasParameters);
static_assert(FRAMERING_FRAME_DISCONTINUITY == framering::kFrameDiscontinuity);
static_assert(FRAMERING_FRAME_DROPPABLE == framering::kFrameDroppable);
static_assert(FRAMERING_STATE_IDLE == static_cast<int>(framering::SourceState::idle));
static_assert(FRAMERING_LINK_ATTACHED == static_cast<int>(framering::Link::attached));
static_assert(FRAMERING_STATE_REPLACED == static_cast<int>(framering::SourceState::replaced));

namespace {

// Sizes of the structs in the first version of the API: who gives less has not initialised them.
// Later versions append fields and leave these numbers alone.
constexpr std::size_t kFrameBytes1 = 144;
constexpr std::size_t kReaderOptionsBytes1 = 48;
constexpr std::size_t kWriterOptionsBytes1 = 80;
constexpr std::size_t kDemandBytes1 = 32;
constexpr std::size_t kStatusBytes1 = 96;

thread_local char last_error[512] = "";  // a C caller has no other place to find a sentence

int fail(int error, const char* text) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", text);
  return -error;
}

int null_handle() noexcept {
  return fail(EINVAL, "the handle or a result pointer is null");
}

// Runs `call`; no exception leaves.
template <typename Call>
int guarded(Call call) noexcept {
  try {
    return call();
  } catch (const std::system_error& error) {
    const int number = error.code().value();
    return fail(number > 0 ? number : EIO, error.what());
  } catch (const std::invalid_argument& error) {
    return fail(EINVAL, error.what());
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM, "out of memory");
  } catch (const std::exception& error) {
    return fail(EIO, error.what());
  }
}

// Copies a caller's struct, which may be of another version: what it does not have is zero, and
// what this library does not know must be zero.
template <typename Struct>
int take(const Struct* from, std::size_t least_bytes, Struct& to) noexcept {
  if (from == nullptr) return fail(EINVAL, "the options or the frame are a null pointer");
  const std::size_t bytes = from->struct_size;
  if (bytes < least_bytes)
    return fail(EINVAL, "struct_size is not set; use the ..._init() function");
  const auto* raw = reinterpret_cast<const unsigned char*>(from);
  for (std::size_t at = sizeof(Struct); at < bytes; ++at) {
    if (raw[at] != 0) return fail(E2BIG, "an option of a newer framering.h: upgrade libframering");
  }
  std::memset(&to, 0, sizeof to);
  std::memcpy(&to, from, bytes < sizeof to ? bytes : sizeof to);
  return 0;
}

// Fills in as much of a caller's struct as it has.
template <typename Struct>
int give(const Struct& from, std::size_t least_bytes, Struct* to) noexcept {
  if (to == nullptr) return null_handle();
  const std::uint32_t bytes = to->struct_size;
  if (bytes < least_bytes)
    return fail(EINVAL, "struct_size is not set; use the ..._init() function");
  std::memcpy(to, &from, bytes < sizeof from ? bytes : sizeof from);
  to->struct_size = bytes;
  return 0;
}

const char* or_empty(const char* text) noexcept {
  return text == nullptr ? "" : text;
}

std::chrono::nanoseconds timeout_of(int64_t timeout_ns) noexcept {
  return std::chrono::nanoseconds(timeout_ns < 0 ? -1 : timeout_ns);
}

framering_frame to_c(const Frame& frame) noexcept {
  framering_frame c = framering_frame_init();
  const FrameMeta& meta = frame.meta;
  c.flags = meta.flags;
  c.generation = frame.generation;
  c.number = frame.number;
  c.lost_before = frame.lost_before;
  c.published_ns = frame.published_ns;
  c.bytes = reinterpret_cast<const std::uint8_t*>(frame.bytes.data());
  c.size = frame.bytes.size();
  c.pts = meta.pts;
  c.dts = meta.dts;
  c.captured_ns = meta.captured_ns;
  c.encoded_ns = meta.encoded_ns;
  c.parameter_set = meta.parameter_set;
  c.codec = meta.codec;
  c.width = meta.width;
  c.height = meta.height;
  std::memcpy(c.stride, meta.stride, sizeof c.stride);
  std::memcpy(c.plane_offset, meta.plane_offset, sizeof c.plane_offset);
  c.colour_primaries = meta.colour_primaries;
  c.transfer = meta.transfer;
  c.matrix = meta.matrix;
  c.full_range = meta.full_range;
  return c;
}

FrameMeta meta_of(const framering_frame& c) noexcept {
  FrameMeta meta;
  meta.pts = c.pts;
  meta.dts = c.dts;
  meta.captured_ns = c.captured_ns;
  meta.encoded_ns = c.encoded_ns;
  meta.parameter_set = c.parameter_set;
  meta.flags = c.flags;
  meta.codec = c.codec;
  meta.width = c.width;
  meta.height = c.height;
  std::memcpy(meta.stride, c.stride, sizeof meta.stride);
  std::memcpy(meta.plane_offset, c.plane_offset, sizeof meta.plane_offset);
  meta.colour_primaries = c.colour_primaries;
  meta.transfer = c.transfer;
  meta.matrix = c.matrix;
  meta.full_range = c.full_range;
  return meta;
}

// What StreamReader needs to know a lease again.
Frame lease_of(const framering_frame& c) noexcept {
  Frame frame;
  frame.generation = c.generation;
  frame.number = c.number;
  frame.bytes = {reinterpret_cast<const std::byte*>(c.bytes), static_cast<std::size_t>(c.size)};
  return frame;
}

// `how` gives a ReadResult, or nothing when a frame has no room.
template <typename How>
int read(framering_reader* reader, framering_frame* frame, How how) noexcept {
  if (reader == nullptr || frame == nullptr) return null_handle();
  if (frame->struct_size < kFrameBytes1) {
    return fail(EINVAL, "struct_size is not set; use framering_frame_init()");
  }
  return guarded([&]() -> int {
    Frame next;
    const std::optional<framering::ReadResult> result = how(reader->reader, next);
    if (!result) {
      framering_frame too_large = framering_frame_init();
      too_large.size = next.bytes.size();
      if (const int error = give(too_large, kFrameBytes1, frame)) return error;
      return fail(EMSGSIZE, "the buffer is too small for the frame");
    }
    switch (*result) {
      case framering::ReadResult::frame:
        return give(to_c(next), kFrameBytes1, frame);
      case framering::ReadResult::timeout:
        return FRAMERING_TIMEOUT;
      case framering::ReadResult::state_changed:
        return FRAMERING_STATE_CHANGED;
      case framering::ReadResult::ended:
        return FRAMERING_ENDED;
      case framering::ReadResult::refused:
        return fail(EACCES, reader->reader.refusal().c_str());
    }
    return fail(EIO, "the reader gave a result that is not known here");
  });
}

int policy_of(std::uint32_t value, framering::Policy& policy) noexcept {
  switch (value) {
    case FRAMERING_POLICY_LIVE:
      policy = framering::Policy::live;
      return 0;
    case FRAMERING_POLICY_NEWEST:
      policy = framering::Policy::newest;
      return 0;
    case FRAMERING_POLICY_EVERY:
      policy = framering::Policy::every;
      return 0;
    default:
      return fail(EINVAL, "policy is none of enum framering_policy");
  }
}

int start_of(std::uint32_t value, framering::Start& start) noexcept {
  switch (value) {
    case FRAMERING_START_KEY:
      start = framering::Start::key;
      return 0;
    case FRAMERING_START_OLDEST:
      start = framering::Start::oldest;
      return 0;
    case FRAMERING_START_HEAD:
      start = framering::Start::head;
      return 0;
    default:
      return fail(EINVAL, "start is none of enum framering_start");
  }
}

int bell_of(std::uint32_t value, framering::Bell& bell) noexcept {
  switch (value) {
    case FRAMERING_BELL_FUTEX:
      bell = framering::Bell::futex;
      return 0;
    case FRAMERING_BELL_EVENTFD:
      bell = framering::Bell::eventfd;
      return 0;
    case FRAMERING_BELL_LINE:
      bell = framering::Bell::line;
      return 0;
    default:
      return fail(EINVAL, "bell is none of enum framering_bell");
  }
}

}  // namespace

const char* framering_version(void) {
  return FRAMERING_VERSION;
}

const char* framering_last_error(void) {
  return last_error;
}

// ---- reading

int framering_reader_open(const framering_reader_options* options, framering_reader** reader) {
  if (reader == nullptr) return null_handle();
  *reader = nullptr;
  framering_reader_options given;
  framering::ReaderOptions wanted;
  if (const int error = take(options, kReaderOptionsBytes1, given)) return error;
  if (given.stream == nullptr) return fail(EINVAL, "stream is a null pointer");
  if (const int error = policy_of(given.policy, wanted.policy)) return error;
  if (const int error = start_of(given.start, wanted.start)) return error;
  if (const int error = bell_of(given.bell, wanted.bell)) return error;
  return guarded([&] {
    wanted.stream = given.stream;
    wanted.socket_dir = or_empty(given.socket_dir);
    wanted.name = or_empty(given.name);
    wanted.max_lag_frames = given.max_lag_frames;
    wanted.demand = given.paused == 0;
    wanted.predictive = given.predictive != 0;
    *reader = new framering_reader{framering::StreamReader(wanted)};
    return 0;
  });
}

void framering_reader_close(framering_reader* reader) {
  delete reader;
}

int framering_reader_next(framering_reader* reader, framering_frame* frame, int64_t timeout_ns) {
  return read(reader, frame, [&](framering::StreamReader& from, Frame& next) {
    return from.next(next, timeout_of(timeout_ns));
  });
}

int framering_reader_lease(framering_reader* reader, framering_frame* frame, int64_t timeout_ns) {
  return read(reader, frame, [&](framering::StreamReader& from, Frame& next) {
    return from.lease_next(next, timeout_of(timeout_ns));
  });
}

int framering_reader_next_into(framering_reader* reader, framering_frame* frame, void* buffer,
                               size_t capacity, int64_t timeout_ns) {
  if (buffer == nullptr && capacity != 0) return fail(EINVAL, "buffer is a null pointer");
  return read(reader, frame, [&](framering::StreamReader& from, Frame& next) {
    return from.next_into(next, {static_cast<std::byte*>(buffer), capacity},
                          timeout_of(timeout_ns));
  });
}

int framering_reader_lease_valid(framering_reader* reader, const framering_frame* frame) {
  if (reader == nullptr || frame == nullptr) return null_handle();
  return reader->reader.lease_valid(lease_of(*frame)) ? 1 : 0;
}

void framering_reader_release(framering_reader* reader, const framering_frame* frame) {
  if (reader != nullptr && frame != nullptr) reader->reader.release(lease_of(*frame));
}

framering_memory* framering_reader_memory(const framering_reader* reader, const void** begin,
                                          size_t* size) {
  if (reader == nullptr || begin == nullptr || size == nullptr) return nullptr;
  std::shared_ptr<const framering::ForeignSegment> ring = reader->reader.memory();
  if (ring == nullptr) return nullptr;
  *begin = ring->data();
  *size = ring->bytes();
  return new (std::nothrow) framering_memory{std::move(ring)};
}

void framering_memory_release(framering_memory* memory) {
  delete memory;
}

int framering_reader_fd(const framering_reader* reader) {
  return reader == nullptr ? null_handle() : reader->reader.event_fd();
}

void framering_reader_request_key(framering_reader* reader) {
  if (reader != nullptr) reader->reader.request_key_frame();
}

void framering_reader_set_demand(framering_reader* reader, int wants_frames) {
  if (reader != nullptr) reader->reader.set_demand(wants_frames != 0);
}

int framering_reader_state(const framering_reader* reader) {
  return reader == nullptr ? null_handle() : static_cast<int>(reader->reader.state());
}

uint32_t framering_reader_codec(const framering_reader* reader) {
  return reader == nullptr ? 0 : reader->reader.codec();
}

int framering_reader_status(const framering_reader* reader, framering_status* status) {
  if (reader == nullptr) return null_handle();
  const framering::StreamReader& from = reader->reader;
  framering_status c = framering_status_init();
  c.link = static_cast<std::uint32_t>(from.link());
  c.state = static_cast<std::uint32_t>(from.state());
  c.codec = from.codec();
  if (from.link() == framering::Link::attached) {
    c.time_base_num = from.time_base_num();
    c.time_base_den = from.time_base_den();
  }
  c.history_frames = from.history_frames();
  c.history_bytes = from.history_bytes();
  c.generation = from.generation();
  c.head = from.head();
  const framering::ReadCounts counts = from.counts();
  c.delivered = counts.delivered;
  c.lost_lapped = counts.lost_lapped;
  c.lost_skipped = counts.lost_skipped;
  c.lost_undecodable = counts.lost_undecodable;
  c.leases_revoked = counts.leases_revoked;
  return give(c, kStatusBytes1, status);
}

int framering_reader_parameter_set(const framering_reader* reader, uint64_t number, void* buffer,
                                   size_t* size) {
  if (reader == nullptr || size == nullptr) return null_handle();
  return guarded([&]() -> int {
    const std::vector<std::byte> set = reader->reader.parameter_set(number);
    const std::size_t room = buffer == nullptr ? 0 : *size;
    *size = set.size();
    if (set.empty()) return fail(ENOENT, "the parameter set is no longer kept");
    if (set.size() > room) return fail(EMSGSIZE, "the buffer is too small for the parameter set");
    std::memcpy(buffer, set.data(), set.size());
    return 0;
  });
}

// ---- producing

int framering_writer_open(const framering_writer_options* options, framering_writer** writer) {
  if (writer == nullptr) return null_handle();
  *writer = nullptr;
  framering_writer_options given;
  if (const int error = take(options, kWriterOptionsBytes1, given)) return error;
  if (given.stream == nullptr) return fail(EINVAL, "stream is a null pointer");
  if (given.codec == 0) return fail(EINVAL, "codec is 0; give FRAMERING_CODEC_... or a DRM fourcc");
  if ((given.time_base_num == 0) != (given.time_base_den == 0)) {
    return fail(EINVAL, "time_base_num and time_base_den: give both or neither");
  }
  return guarded([&] {
    const auto set = [](auto& option, auto value) {
      if (value != 0) option = value;
    };
    framering::WriterOptions wanted;
    wanted.stream = given.stream;
    wanted.socket_dir = or_empty(given.socket_dir);
    if (given.program != nullptr) wanted.program = given.program;
    wanted.codec = given.codec;
    wanted.inter_coded = given.inter_coded != 0;
    set(wanted.time_base_num, given.time_base_num);
    set(wanted.time_base_den, given.time_base_den);
    wanted.max_width = given.max_width;
    wanted.max_height = given.max_height;
    set(wanted.history_bytes, given.history_bytes);
    set(wanted.max_frame_bytes, given.max_frame_bytes);
    set(wanted.slot_count, given.slot_count);
    set(wanted.lease_cells, given.lease_cells);
    set(wanted.max_readers, given.max_readers);
    *writer = new framering_writer{framering::StreamWriter(wanted)};
    return 0;
  });
}

void framering_writer_close(framering_writer* writer) {
  delete writer;
}

int framering_writer_reserve(framering_writer* writer, size_t bytes, void** span) {
  if (writer == nullptr || span == nullptr) return null_handle();
  const std::span<std::byte> reserved = writer->writer.reserve(bytes);
  writer->reserved = reserved.size();
  *span = reserved.empty() ? nullptr : reserved.data();
  if (!reserved.empty()) return 0;
  return bytes == 0 ? fail(EINVAL, "a frame has at least one byte")
                    : fail(EMSGSIZE, "the frame is larger than max_frame_bytes");
}

int framering_writer_commit(framering_writer* writer, size_t bytes, const framering_frame* frame,
                            uint64_t* number) {
  if (writer == nullptr) return null_handle();
  framering_frame given = framering_frame_init();
  if (frame != nullptr) {
    if (const int error = take(frame, kFrameBytes1, given)) return error;
  }
  if (bytes == 0 || bytes > writer->reserved) {
    return fail(EINVAL, "commit without a reserve of so many bytes");
  }
  writer->reserved = 0;
  const std::uint64_t published = writer->writer.commit(bytes, meta_of(given));
  if (number != nullptr) *number = published;
  return 0;
}

int framering_writer_publish(framering_writer* writer, const framering_frame* frame,
                             uint64_t* number) {
  framering_frame given;
  void* span = nullptr;
  if (const int error = take(frame, kFrameBytes1, given)) return error;
  if (given.bytes == nullptr) return fail(EINVAL, "frame->bytes is a null pointer");
  if (const int error = framering_writer_reserve(writer, given.size, &span)) return error;
  std::memcpy(span, given.bytes, given.size);
  return framering_writer_commit(writer, given.size, frame, number);
}

int framering_writer_set_parameter_sets(framering_writer* writer, const void* annex_b, size_t bytes,
                                        uint64_t* number) {
  if (writer == nullptr || number == nullptr || annex_b == nullptr) return null_handle();
  *number = writer->writer.set_parameter_sets({static_cast<const std::byte*>(annex_b), bytes});
  return *number != 0 ? 0 : fail(EMSGSIZE, "parameter sets of 1 to 2032 bytes are possible");
}

int framering_writer_set_state(framering_writer* writer, int state) {
  if (writer == nullptr) return null_handle();
  if (state < FRAMERING_STATE_STARTING || state > FRAMERING_STATE_IDLE) {
    return fail(EINVAL, "state is none of enum framering_state");
  }
  writer->writer.set_state(static_cast<framering::SourceState>(state));
  return 0;
}

void framering_writer_heartbeat(framering_writer* writer) {
  if (writer != nullptr) writer->writer.heartbeat();
}

int framering_writer_demand(const framering_writer* writer, framering_demand* demand) {
  if (writer == nullptr) return null_handle();
  const framering::Demand wanted = writer->writer.demand();
  framering_demand c = framering_demand_init();
  c.readers = wanted.readers;
  c.wanting = wanted.wanting;
  c.lowest_kbps = wanted.lowest_kbps;
  c.key_requests = wanted.key_requests;
  c.worst_backlog_frames = wanted.worst_backlog_frames;
  c.worst_backlog_bytes = wanted.worst_backlog_bytes;
  return give(c, kDemandBytes1, demand);
}

int framering_writer_wait(framering_writer* writer, int64_t timeout_ns) {
  if (writer == nullptr) return null_handle();
  return guarded([&] { return writer->writer.wait_for_nudge(timeout_of(timeout_ns)) ? 1 : 0; });
}

int framering_writer_fd(const framering_writer* writer) {
  return writer == nullptr ? null_handle() : writer->writer.nudge_fd();
}

int framering_writer_announced(const framering_writer* writer) {
  if (writer == nullptr) return null_handle();
  return guarded([&] {
    if (writer->writer.announced()) return 1;
    (void)fail(0, writer->writer.refusal().c_str());
    return 0;
  });
}
