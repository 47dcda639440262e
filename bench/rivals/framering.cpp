// SPDX-License-Identifier: Apache-2.0
//
// Ourselves, in the ways in which the ring can be used.
#include <algorithm>
#include <bit>

#include "control/stream_reader.h"
#include "control/stream_writer.h"
#include "rival.h"

namespace framering::bench {
namespace {

struct Use {
  Bell bell = Bell::futex;
  bool lease = false;
  bool in_place = false;  // written where it lies
  bool predictive = false;
  Policy policy = Policy::every;
};

constexpr std::uint32_t kSlots = 256;  // default
constexpr std::uint32_t kMostReaders = 64;

FrameMeta meta_of_frame() {
  FrameMeta meta;
  meta.flags = kFrameKey;
  meta.codec = kCodecPattern;
  return meta;
}

class RingSender : public Sender {
 public:
  RingSender(const Terms& terms, const Use& use) : bytes_(use.in_place ? terms.bytes : 0) {
    WriterOptions options;
    options.stream = terms.name;
    options.socket_dir = terms.dir;
    options.program = "rivals-bench";
    const std::uint64_t stride = (terms.bytes + 63) / 64 * 64;
    options.history_bytes = stride * terms.kept;
    options.slot_count = std::max(kSlots, std::bit_ceil(terms.kept));
    options.max_readers = kMostReaders;
    writer_ = std::make_unique<StreamWriter>(options);
    writer_->set_state(SourceState::live);
  }
  std::span<std::byte> place() override {
    return bytes_ == 0 ? std::span<std::byte>{} : writer_->reserve(bytes_);
  }
  void publish(std::span<const std::byte> frame) override {
    if (bytes_ == 0) {
      (void)writer_->publish(frame, meta_of_frame());
    } else {
      (void)writer_->commit(frame.size(), meta_of_frame());
    }
  }

 private:
  const std::size_t bytes_;  // of a frame in place; 0: copied
  std::unique_ptr<StreamWriter> writer_;
};

class RingReceiver : public Receiver {
 public:
  RingReceiver(const Terms& terms, const Use& use)
      : lease_(use.lease || use.in_place), reader_(options_of(terms, use)) {}

  Taken take(std::chrono::milliseconds patience) override {
    const ReadResult result =
        lease_ ? reader_.lease_next(frame_, patience) : reader_.next(frame_, patience);
    if (result != ReadResult::frame) return {};
    at_worst_moment();  // with the lease held; a reader that copies holds nothing, ever
    return {frame_.bytes, 0};
  }
  bool give_back() override {
    if (!lease_) return true;
    const bool valid = reader_.lease_valid(frame_);
    reader_.release(frame_);
    return valid;
  }

 private:
  static ReaderOptions options_of(const Terms& terms, const Use& use) {
    ReaderOptions options;
    options.stream = terms.name;
    options.socket_dir = terms.dir;
    options.name = "rivals-bench";
    options.policy = use.policy;
    options.start = Start::head;
    options.bell = use.bell;
    options.predictive = use.predictive;
    return options;
  }

  const bool lease_;
  StreamReader reader_;
  Frame frame_;
};

class Ring : public Rival {
 public:
  Ring(const Terms& terms, const Use& use) : terms_(terms), use_(use) {}
  std::unique_ptr<Sender> sender() override { return std::make_unique<RingSender>(terms_, use_); }
  std::unique_ptr<Receiver> receiver(std::uint32_t) override {
    return std::make_unique<RingReceiver>(terms_, use_);
  }

 private:
  const Terms terms_;
  const Use use_;
};

template <Use use>
std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<Ring>(terms, use);
}

}  // namespace

std::vector<RivalInfo> framering_lanes() {
  const std::string how =
      "this tree, a history of 4 MiB or five frames, policy `every`; readers copy "
      "along with the writer from 512 KiB on";
  return {
      {"copy", "framering, copy", Kind::ours, false, true, make<Use{}>, "", how},
      {"copy-eventfd", "framering, copy, eventfd", Kind::ours, false, true,
       make<Use{.bell = Bell::eventfd}>, "", how},
      {"copy-line", "framering, copy, line", Kind::ours, false, true, make<Use{.bell = Bell::line}>,
       "", how},
      {"predictive", "framering, predictive", Kind::ours, false, true,
       make<Use{.predictive = true}>, "", how},
      {"newest", "framering, copy, newest", Kind::ours, false, true,
       make<Use{.policy = Policy::newest}>, "",
       "the same with policy `newest`: on at the newest frame when behind"},
      {"lease", "framering, lease", Kind::ours, false, true, make<Use{.lease = true}>, "",
       how + "; read where it lies"},
      {"in-place", "framering, in place", Kind::ours, true, true, make<Use{.in_place = true}>, "",
       how + "; written and read where it lies"},
  };
}

}  // namespace framering::bench
