// SPDX-License-Identifier: Apache-2.0
//
// The life of a reader, as the broker arranges it:
//
//   attach:   consumer ─ Attach [reader page] ─► broker ─ AddReader [reader page] ─► producer
//             consumer ◄─ Attached [ring, bell page, line(, eventfd)] ─ broker ◄─ ReaderAdded [...]
//             ─┘
//   restart:  producer ─ Announce (same generation, its readers) ─► broker ◄─ Claim [both pages] ─
//   consumer
//             producer ◄─ ClaimReader ─ broker ─ Claimed ─► consumer
//   end:      whoever ends, the broker tells the other side: RemoveReader or Detached.
#include "broker.h"
#include "ring/clock.h"
#include "ring/futex.h"

namespace framering {

namespace {

constexpr std::uint64_t kProducerAnswer_ns = 5'000'000'000;

void wake(const Reader& reader) noexcept {
  if (!reader.bell_page.mapped()) return;
  const auto& bell = *reinterpret_cast<const BellPage*>(reader.bell_page.data());
  futex_wake(bell.futex_word);
}

}  // namespace

void Broker::start_attach(Connection& consumer, AttachRequest request) {
  Stream* stream = registry_.find(request.stream);
  if (stream == nullptr) {
    if (request.wait) {
      consumer.waiting = std::move(request);
    } else {
      refuse(consumer, request.request, Reason::NO_SUCH_STREAM,
             "no producer announces '" + request.stream + "'; start one, or ask to wait for it");
    }
    return;
  }
  if (request.layout < kLayoutVersion) {
    refuse(consumer, request.request, Reason::VERSION,
           "the ring of '" + request.stream + "' has layout " + std::to_string(kLayoutVersion) +
               ", the reader understands " + std::to_string(request.layout) +
               ": upgrade the reader");
    return;
  }
  if (registry_.full(*stream)) {
    refuse(consumer, request.request, Reason::LIMIT,
           "'" + request.stream + "' has " + std::to_string(stream->readers.size()) +
               " readers, the broker's limit (--max-readers)");
    return;
  }
  auto reader = std::make_unique<Reader>();
  const SegmentFault fault =
      reader->page.map(request.reader_page.get(), kPageBytes, kMaxSharedPageBytes);
  if (fault != SegmentFault::none) {
    refuse(consumer, request.request, Reason::BAD_DESCRIPTOR,
           std::string("the reader page was not taken: ") + describe(fault));
    return;
  }
  Connection* producer = find(stream->producer);
  if (producer == nullptr) return;  // cannot be: a stream ends with its producer's connection

  do reader->id = random_id();
  while (registry_.of_reader(reader->id) != nullptr);
  reader->consumer = consumer.serial;
  reader->name = request.name;
  reader->pid = static_cast<std::uint32_t>(consumer.peer.pid);
  reader->uid = consumer.peer.uid;
  reader->bell = request.bell;
  // An eventfd can be made to block its writer, so only the trusted get one.
  if (reader->bell == Bell::eventfd &&
      !options_.access.trusts(stream->name, consumer.peer, stream->uid)) {
    reader->bell = Bell::line;
  }
  reader->producer_request = next_request_++;
  reader->deadline_ns = monotonic_ns() + kProducerAnswer_ns;
  reader->attach = std::move(request);
  consumer.reader = reader->id;

  Draft draft(reader->producer_request);
  auto add = draft->initAddReader();
  add.setId(reader->id);
  add.setUid(reader->uid);
  add.setPid(reader->pid);
  add.setBell(static_cast<std::uint32_t>(reader->bell));
  add.setName(as_text(reader->name));
  const int page = reader->attach.reader_page.get();
  const std::uint64_t id = reader->id;
  stream->readers.push_back(std::move(reader));
  if (!send(*producer, draft, {page}) && producer->channel.is_open()) {
    fail_attach(*stream, id, Reason::LIMIT, kTooManyUnderWay);
  }
}

// Answers a claim if its producer is there or its time is over (deadline 0), else holds it.
void Broker::settle_claim(Connection& consumer, Claim claim) {
  Stream* stream = registry_.find(claim.stream);
  if (stream == nullptr && claim.deadline_ns != 0) {
    consumer.claim = std::move(claim);
    return;
  }
  const std::uint64_t id = claim.reader->id;
  auto cause = wire::Detached::Cause::PRODUCER_GONE;
  if (stream != nullptr && stream->view.generation() != claim.generation) {
    cause = wire::Detached::Cause::REPLACED;
  } else if (stream != nullptr && std::erase(stream->unclaimed, id) > 0 &&
             !registry_.full(*stream)) {
    consumer.reader = id;
    stream->readers.push_back(std::move(claim.reader));
    if (Connection* producer = find(stream->producer)) {
      Draft confirm;
      confirm->initClaimReader().setId(id);
      send(*producer, confirm);
    }
    Draft draft(claim.request);
    draft->initClaimed().setId(id);
    send(consumer, draft);
    return;
  } else if (stream != nullptr) {
    cause = wire::Detached::Cause::LET_GO;
  }
  Draft draft(claim.request);
  auto detached = draft->initDetached();
  detached.setId(id);
  detached.setCause(cause);
  send(consumer, draft);
  wake(*claim.reader);
}

// The producer cannot or does not want to serve this reader.
void Broker::fail_attach(Stream& stream, std::uint64_t id, Reason reason, const std::string& text) {
  const Reader* reader = stream.find(id);
  if (reader == nullptr) return;
  if (Connection* consumer = find(reader->consumer)) {
    consumer->reader = 0;
    refuse(*consumer, reader->attach.request, reason, text);
  }
  stream.erase(id);
}

// Tells an attached reader that its producer no longer serves it. The caller takes it off the
// stream.
void Broker::detach(Reader& reader, wire::Detached::Cause cause) {
  if (Connection* consumer = find(reader.consumer)) {
    consumer->reader = 0;
    Draft draft;
    auto detached = draft->initDetached();
    detached.setId(reader.id);
    detached.setCause(cause);
    send(*consumer, draft);
  }
  // A reader that sleeps on its futex does not watch its socket: after the message, wake it.
  wake(reader);
}

// The consumer has ended, or attaches anew.
void Broker::forget_reader(Connection& consumer) {
  consumer.waiting.reset();
  consumer.claim.reset();
  if (consumer.reader == 0) return;
  const std::uint64_t id = consumer.reader;
  consumer.reader = 0;
  Stream* stream = registry_.of_reader(id);
  if (stream == nullptr) return;
  tell_producer_to_remove(*stream, id);
  stream->erase(id);
}

void Broker::tell_producer_to_remove(const Stream& stream, std::uint64_t id) {
  Connection* producer = find(stream.producer);
  if (producer == nullptr) return;
  Draft draft;
  draft->initRemoveReader().setId(id);
  send(*producer, draft);
}

void Broker::stream_appeared(const std::string& name) noexcept {
  for (auto& entry : connections_) {
    Connection& consumer = *entry.second;
    attempt(consumer, [&] {
      if (consumer.claim && consumer.claim->stream == name) {
        Claim claim = std::move(*consumer.claim);
        consumer.claim.reset();
        settle_claim(consumer, std::move(claim));
      } else if (consumer.waiting && consumer.waiting->stream == name) {
        AttachRequest request = std::move(*consumer.waiting);
        consumer.waiting.reset();
        start_attach(consumer, std::move(request));
      }
    });
  }
}

void Broker::stream_gone(Serial producer) noexcept {
  const Stream* found = registry_.of_producer(producer);
  if (found == nullptr) return;
  const std::unique_ptr<Stream> stream = registry_.remove(*found);
  for (const auto& reader : stream->readers) {
    if (reader->attached) {
      detach(*reader, wire::Detached::Cause::PRODUCER_GONE);
      continue;
    }
    Connection* consumer = find(reader->consumer);
    if (consumer == nullptr) continue;
    consumer->reader = 0;
    // Waits, or is refused: the stream is gone.
    attempt(*consumer, [&] { start_attach(*consumer, std::move(reader->attach)); });
  }
  std::erase_if(forwards_, [&](const Forward& forward) {
    if (forward.producer != producer) return false;
    if (Connection* asker = find(forward.asker)) {
      attempt(*asker, [&] {
        refuse(*asker, forward.request, Reason::PRODUCER_FAILED,
               "the producer of '" + stream->name + "' ended before it answered");
      });
    }
    return true;
  });
}

}  // namespace framering
