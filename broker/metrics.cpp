// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <algorithm>

#include "ring/clock.h"

namespace framering {

namespace {

// relaxed, everywhere here: statistics order nothing.
template <typename T>
T load(const SharedWord<T>& word) noexcept {
  return word.load(std::memory_order_relaxed);
}

void fill_reader(wire::ReaderStat::Builder out, const Reader& reader, std::uint32_t cells,
                 bool with_ids) {
  const auto& page = *reinterpret_cast<const ReaderPage*>(reader.page.data());
  out.setId(with_ids ? reader.id : 0);
  out.setName(as_text(reader.name));
  out.setPid(reader.pid);
  out.setUid(reader.uid);
  out.setBell(static_cast<std::uint32_t>(reader.bell));
  out.setDemand(load(page.demand) != 0 ? 1 : 0);
  out.setReadTo(load(page.read_to));
  out.setDelivered(load(page.delivered));
  out.setDeliveredBytes(load(page.delivered_bytes));
  out.setLostLapped(load(page.lost_lapped));
  out.setLostSkipped(load(page.lost_skipped));
  out.setLostUndecodable(load(page.lost_undecodable));
  out.setLeasesRevoked(load(page.leases_revoked));
  std::uint32_t held = 0;
  for (std::uint32_t cell = 0; cell < std::min(cells, kMaxLeaseCells); ++cell) {
    if (load(page.lease[cell]) != 0) ++held;
  }
  out.setLeasesHeld(held);
  out.setKeyRequests(load(page.key_requests));
  out.setBacklogFrames(load(page.backlog_frames));
  out.setBacklogBytes(load(page.backlog_bytes));
  out.setAttachedNs(load(page.attached_ns));
}

}  // namespace

void fill_stream(wire::Stream::Builder out, const Stream& stream) {
  const RingHeader& header = stream.view.header();
  out.setName(as_text(stream.name));
  out.setProgram(as_text(stream.program));
  out.setCodec(stream.view.codec());
  out.setWidth(load(header.width));
  out.setHeight(load(header.height));
  out.setGeneration(stream.view.generation());
  out.setState(load(header.source_state));
  out.setStateSinceNs(load(header.state_since_ns));
  out.setHeartbeatNs(load(header.heartbeat_ns));
  const std::uint64_t head = stream.view.head();
  out.setHead(head);
  out.setNewestKey(stream.view.newest_key(head));
  out.setReaders(static_cast<std::uint32_t>(stream.readers.size()));
  out.setProducerPid(stream.pid);
  out.setProducerUid(stream.uid);
  out.setBytesPublished(load(header.bytes_published));
  out.setArenaBytes(stream.view.arena_bytes());
  out.setMaxFrameBytes(stream.view.max_frame_bytes());
  out.setSlotCount(stream.view.slot_count());
}

void fill_stat(wire::StreamStat::Builder out, const Stream& stream, bool with_ids) {
  const RingHeader& header = stream.view.header();
  fill_stream(out.initStream(), stream);
  out.setFramesTooLarge(load(header.frames_too_large));
  out.setKeyRequestsWanted(load(header.key_requests_wanted));
  out.setKeyRequestsGranted(load(header.key_requests_granted));
  out.setLeasesSteppedOver(load(header.leases_stepped_over));
  out.setLeasesRevoked(load(header.leases_revoked));
  out.setBellsRung(load(header.bells_rung));
  out.setBellsByRinger(load(header.bells_by_ringer));
  out.setTakenNs(monotonic_ns());
  auto readers = out.initReaders(static_cast<unsigned>(stream.readers.size()));
  for (unsigned i = 0; i < readers.size(); ++i) {
    fill_reader(readers[i], *stream.readers[i], stream.view.lease_cells(), with_ids);
  }
}

}  // namespace framering
