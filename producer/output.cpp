// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <cstring>

#include "sources/jpeg_scanner.h"

namespace framering {
namespace {

// Demand is looked up under a lock that the control thread may hold: not for each of a million
// frames a second.
constexpr std::uint64_t kDemandSpacing_ns = 4'000'000;
constexpr std::uint32_t kHopeless = 2;

}  // namespace

Output::Output(const WriterOptions& options)
    : name_(options.stream),
      codec_(options.codec),
      inter_coded_(options.inter_coded),
      history_bytes_(options.history_bytes),
      slot_count_(options.slot_count),
      max_frame_bytes_(options.max_frame_bytes != 0 ? options.max_frame_bytes
                                                    : options.history_bytes / kMaxFrameDivisor),
      writer_(std::make_unique<StreamWriter>(options)),
      waits_for_key_(options.inter_coded) {}

void Output::look_at_demand(std::uint64_t now_ns) {
  if (looked_ns_ != 0 && now_ns - looked_ns_ < kDemandSpacing_ns) return;
  looked_ns_ = now_ns;
  const std::uint32_t readers_before = demand_.readers;
  demand_ = writer_->demand();
  if (!inter_coded_) return;
  if (demand_.key_requests > key_requests_seen_) arbiter_.ask();
  key_requests_seen_ = demand_.key_requests;
  // Whoever joins and finds no key frame in the history would wait for the next one.
  if (demand_.readers > readers_before && !key_frame_held()) arbiter_.ask();
}

bool Output::key_frame_held() const noexcept {
  return bytes_since_key_ <= history_bytes_ && frames_since_key_ < slot_count_;
}

bool Output::take_key_request(std::uint64_t now_ns) noexcept {
  return too_large_in_a_row_ < kHopeless && arbiter_.grant(now_ns);
}

PictureFacts Output::inspect(std::span<const Bytes> pieces) noexcept {
  PictureFacts facts;
  if (codec_ != kCodecH264 && codec_ != kCodecH265) {
    const JpegSize size = pieces.empty() ? JpegSize{} : jpeg_size(pieces[0]);
    return {true, true, false, false, size.width, size.height};
  }
  const NalCodec nal_codec = codec_ == kCodecH264 ? NalCodec::h264 : NalCodec::h265;
  ParameterSets sets;
  for (const Bytes piece : pieces) {
    const PictureFacts found = inspect_access_unit(nal_codec, piece, sets);
    if (found.width != 0) {
      facts.width = found.width;
      facts.height = found.height;
    }
    if (!found.valid) continue;
    facts.valid = true;
    facts.key = found.key;
    facts.droppable = found.droppable;
    break;
  }
  if (facts.width != 0) {
    width_ = facts.width;
    height_ = facts.height;
  }
  if (sets.has_sps) take_parameter_sets(sets);
  facts.has_parameters = sets.has_sps;
  return facts;
}

void Output::take_parameter_sets(const ParameterSets& sets) noexcept {
  if (sets.overflow) {
    parameter_set_ = 0;  // a reader finds them in the key frames' bytes
    return;
  }
  // The same sets come with every key frame: only new ones are copied.
  const bool same = sets.size == parameters_.size &&
                    std::memcmp(sets.bytes.data(), parameters_.bytes.data(), sets.size) == 0;
  if (same && parameter_set_ != 0) return;
  std::memcpy(parameters_.bytes.data(), sets.bytes.data(), sets.size);
  parameters_.size = sets.size;
  parameters_.has_sps = true;
  parameter_set_ = writer_->set_parameter_sets(parameters_.span());
}

Output::Published Output::publish(std::span<const Bytes> pieces, FrameMeta meta) noexcept {
  const PictureFacts facts = inspect(pieces);
  if (!facts.valid) return Published::no_picture;
  std::size_t bytes = 0;
  for (const Bytes piece : pieces) bytes += piece.size();
  // A key frame brings its parameter sets along, so that whoever begins there needs nothing else.
  Bytes prefix;
  if (inter_coded_ && facts.key && !facts.has_parameters) prefix = parameters_.span();
  if (inter_coded_ && waits_for_key_) {
    const bool decodable = facts.key && (facts.has_parameters || !prefix.empty());
    if (!decodable) return Published::waits_for_key;
  }

  const std::span<std::byte> into = writer_->reserve(prefix.size() + bytes);
  if (into.empty()) {
    frame_did_not_fit(facts.key);
    return Published::too_large;
  }
  writer_->fill(0, prefix);
  std::size_t filled = prefix.size();
  for (const Bytes piece : pieces) {
    writer_->fill(filled, piece);
    filled += piece.size();
  }
  if (facts.key) meta.flags |= kFrameKey;
  if (facts.has_parameters || !prefix.empty()) meta.flags |= kFrameHasParameters;
  if (facts.droppable) meta.flags |= kFrameDroppable;
  meta.codec = codec_;
  meta.parameter_set = parameter_set_;
  // What the bitstream says goes before what a source knows, which a film's header told it once.
  const std::uint32_t coded_width = inter_coded_ ? width_ : facts.width;
  if (coded_width != 0) {
    meta.width = coded_width;
    meta.height = inter_coded_ ? height_ : facts.height;
  }
  commit(into.size(), meta);
  return Published::yes;
}

std::span<std::byte> Output::reserve(std::size_t bytes) noexcept {
  const std::span<std::byte> into = writer_->reserve(bytes);
  if (into.empty()) frame_did_not_fit(true);
  return into;
}

void Output::commit(std::size_t bytes, const FrameMeta& meta) noexcept {
  FrameMeta marked = meta;
  if (discontinuity_) marked.flags |= kFrameDiscontinuity;
  discontinuity_ = false;
  const bool key = (meta.flags & kFrameKey) != 0;
  if (key) {
    waits_for_key_ = false;
    bytes_since_key_ = frames_since_key_ = 0;
    too_large_in_a_row_ = 0;
    arbiter_.key_frame_published();
  }
  ++frames_since_key_;
  bytes_since_key_ += (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  ++pictures_;
  (void)writer_->commit(bytes, marked);
  publish_state();
}

void Output::skipped(std::size_t bytes) noexcept {
  // Over the limit, so this only counts it where operators look.
  (void)writer_->reserve(bytes);
  frame_did_not_fit(true);
}

// First another key frame is asked for: the next one may well fit. When it does not, asking again
// would only cost more of them; now the quality has to go down.
void Output::frame_did_not_fit(bool key) noexcept {
  waits_for_key_ = inter_coded_;
  if (!key && too_large_in_a_row_ > 0) return;
  if (too_large_in_a_row_ < kHopeless) ++too_large_in_a_row_;
  if (too_large_in_a_row_ < kHopeless) {
    if (inter_coded_) arbiter_.ask();
  } else {
    complaint_ = true;
  }
  publish_state();
}

bool Output::take_quality_complaint() noexcept {
  const bool complaint = complaint_;
  complaint_ = false;
  return complaint;
}

void Output::set_state(SourceState state) noexcept {
  state_ = state;
  publish_state();
}

bool Output::owes_pictures() const noexcept {
  const bool claims_live = state_ == SourceState::live || state_ == SourceState::starting;
  return wanted() && claims_live && too_large_in_a_row_ == 0;
}

void Output::publish_state() noexcept {
  const bool hopeless = state_ == SourceState::live && too_large_in_a_row_ >= kHopeless;
  writer_->set_state(hopeless ? SourceState::frame_too_large : state_);
}

}  // namespace framering
