// SPDX-License-Identifier: Apache-2.0
#include "control/stream_writer.h"

#include <stdexcept>

#include "control/message.h"
#include "control/producer_link.h"
#include "ring/writer.h"

namespace framering {

namespace {

RingOptions ring_options(const WriterOptions& options) {
  if (!valid_stream_name(options.stream)) {
    throw std::invalid_argument("stream \"" + options.stream + "\": " + kStreamNameRule);
  }
  RingOptions ring;
  ring.name = options.stream;
  ring.codec = options.codec;
  ring.inter_coded = options.inter_coded;
  ring.time_base_num = options.time_base_num;
  ring.time_base_den = options.time_base_den;
  ring.max_width = options.max_width;
  ring.max_height = options.max_height;
  ring.arena_bytes = options.history_bytes;
  ring.max_frame_bytes = options.max_frame_bytes;
  ring.slot_count = options.slot_count;
  ring.lease_cells = options.lease_cells;
  ring.max_readers = options.max_readers;
  return ring;
}

}  // namespace

class StreamWriter::Impl {
 public:
  explicit Impl(const WriterOptions& options) : ring(ring_options(options)), link(ring, options) {}

  void count() noexcept { ring.count_key_requests(link.key_requests(), granted); }

  RingWriter ring;
  ProducerLink link;          // ends before the ring does
  std::uint64_t granted = 0;  // publishing thread only
};

StreamWriter::StreamWriter(const WriterOptions& options) : impl_(std::make_unique<Impl>(options)) {}

StreamWriter::~StreamWriter() {
  impl_->ring.set_state(SourceState::ended);
}

std::span<std::byte> StreamWriter::reserve(std::size_t bytes) noexcept {
  return impl_->ring.reserve(bytes);
}

void StreamWriter::fill(std::size_t at, std::span<const std::byte> bytes) noexcept {
  impl_->ring.fill(at, bytes);
}

std::uint64_t StreamWriter::commit(std::size_t bytes, const FrameMeta& meta) noexcept {
  return impl_->ring.commit(bytes, meta);
}

std::uint64_t StreamWriter::publish(std::span<const std::byte> bytes,
                                    const FrameMeta& meta) noexcept {
  return impl_->ring.publish(bytes, meta);
}

std::uint64_t StreamWriter::set_parameter_sets(std::span<const std::byte> annex_b) noexcept {
  return impl_->ring.set_parameter_sets(annex_b);
}

void StreamWriter::overrule_state(SourceState state) noexcept {
  impl_->ring.overrule_state(state);
}

void StreamWriter::set_state(SourceState state) noexcept {
  impl_->ring.set_state(state);
}

void StreamWriter::heartbeat() noexcept {
  impl_->ring.heartbeat();
  impl_->count();
}

void StreamWriter::count_key_request_granted() noexcept {
  ++impl_->granted;
  impl_->count();
}

Demand StreamWriter::demand() const noexcept {
  return impl_->link.demand();
}

bool StreamWriter::wait_for_nudge(std::chrono::nanoseconds timeout) {
  return impl_->link.wait_for_nudge(timeout);
}

int StreamWriter::nudge_fd() const noexcept {
  return impl_->link.nudge_fd();
}
std::uint64_t StreamWriter::generation() const noexcept {
  return impl_->ring.generation();
}
std::uint64_t StreamWriter::head() const noexcept {
  return impl_->ring.head();
}
bool StreamWriter::announced() const noexcept {
  return impl_->link.announced();
}
std::string StreamWriter::refusal() const {
  return impl_->link.refusal();
}

}  // namespace framering
