// SPDX-License-Identifier: Apache-2.0
//
// What peers ask of the broker. Every handler may throw BadMessage or kj::Exception: the peer is
// then answered with an error and its connection closed.
#include "broker.h"
#include "metrics.h"
#include "ring/clock.h"

namespace framering {

namespace {

constexpr std::uint64_t kClaimHeld_ns = 5'000'000'000;
constexpr std::uint64_t kSettingsAnswer_ns =
    3'000'000'000;  // less than OperatorClient's time limit
// With 50 attaches a second, this bounds what one user can leave unread to some 650 descriptors.
constexpr std::uint64_t kReadBy_ns = 2'000'000'000;
constexpr std::size_t kMaxForwards = 64;
constexpr std::size_t kMaxReaderNameBytes = 64;  // so that all readers of a stream fit one answer
constexpr std::size_t kMaxProgramBytes = 128;

// Empty: the peer speaks our protocol.
std::string protocol_fault(std::uint32_t theirs, const char* peer) {
  if (theirs == kProtocolVersion) return {};
  return "the " + std::string(peer) + " speaks control protocol " + std::to_string(theirs) +
         ", the broker " + std::to_string(kProtocolVersion) + ": upgrade the " +
         (theirs > kProtocolVersion ? "broker" : peer);
}

Bell take_bell(std::uint32_t number) {
  if (number > static_cast<std::uint32_t>(Bell::line)) {
    throw BadMessage("there is no bell " + std::to_string(number) + " (page_layout.h, Bell)");
  }
  return static_cast<Bell>(number);
}

std::string not_allowed(const char* verb, const std::string& stream, const Peer& peer) {
  return "uid " + std::to_string(peer.uid) + " may not " + verb + " '" + stream +
         "'; the broker's --allow rules name who may";
}

void expect_descriptors(const Inbox& inbox, std::size_t least, std::size_t most) {
  if (inbox.descriptors() >= least && inbox.descriptors() <= most) return;
  throw BadMessage("the message carries " + std::to_string(inbox.descriptors()) +
                   " descriptors instead of " + std::to_string(least));
}

// Anything else stays in the inbox, which knows how to get rid of it.
void expect_memory(const Inbox& inbox, std::size_t count) {
  expect_descriptors(inbox, count, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!inbox.holds(i, DescriptorKind::memory)) throw BadMessage("a descriptor is no memfd");
  }
}

void check_settings(capnp::List<wire::Setting>::Reader values) {
  if (values.size() > kMaxSettings) throw BadMessage("too many settings in one message");
  for (const auto value : values) {
    (void)take_text(value.getKey());
    (void)take_text(value.getValue());
    (void)take_text(value.getRange());
    (void)take_text(value.getUnit());
  }
}

}  // namespace

void Broker::handle(Connection& from) {
  const auto message = inbox_.message();
  const std::uint32_t request = message.getRequest();
  const bool producer = from.role == Role::producer;
  const bool consumer = from.role == Role::consumer;
  using M = wire::Message;
  switch (message.which()) {
    case M::ANNOUNCE:
      if (!producer) break;
      return on_announce(from, request, message.getAnnounce());
    case M::READER_ADDED:
      if (!producer) break;
      return on_reader_added(from, message.getReaderAdded());
    case M::REFUSED:
      if (!producer) break;
      return on_producer_refused(from, request, message.getRefused());
    case M::READER_GONE: {
      if (!producer) break;
      Stream* stream = registry_.of_producer(from.serial);
      const std::uint64_t id = message.getReaderGone().getId();
      if (stream == nullptr) return;
      std::erase(stream->unclaimed, id);
      if (Reader* reader = stream->find(id)) {
        if (!reader->attached) {  // its consumer still waits for an answer
          return fail_attach(*stream, id, Reason::PRODUCER_FAILED, "the producer let go of it");
        }
        detach(*reader, wire::Detached::Cause::LET_GO);
        stream->erase(id);
      }
      return;
    }
    case M::SETTINGS:
      if (!producer) break;
      return on_settings(from, request, message);
    case M::ATTACH:
      if (!consumer) break;
      return on_attach(from, request, message.getAttach());
    case M::CLAIM:
      if (!consumer) break;
      return on_claim(from, request, message.getClaim());
    case M::LIST_STREAMS:
      if (producer) break;
      return on_list(from, request);
    case M::STAT_STREAM:
      if (producer) break;
      return on_stat(from, request, take_stream_name(message.getStatStream()));
    case M::CHANGE_SETTINGS:
      if (producer || consumer) break;
      return on_change(from, request, message.getChangeSettings());
    default:
      break;
  }
  throw BadMessage("message kind " + std::to_string(static_cast<int>(message.which())) +
                   " is not for the " + to_string(from.role) + " socket of a broker that speaks " +
                   "control protocol " + std::to_string(kProtocolVersion));
}

void Broker::on_announce(Connection& from, std::uint32_t request, wire::Announce::Reader announce) {
  const std::string fault = protocol_fault(announce.getProtocol(), "producer");
  if (!fault.empty()) return refuse(from, request, Reason::VERSION, fault);
  expect_memory(inbox_, 1);
  const std::string name = take_stream_name(announce.getStream());
  if (registry_.of_producer(from.serial) != nullptr) {
    throw BadMessage("a connection announces one stream; open another for '" + name + "'");
  }
  if (!options_.access.allows(Verb::produce, name, from.peer)) {
    return refuse(from, request, Reason::NOT_ALLOWED, not_allowed("produce", name, from.peer));
  }
  if (const Stream* older = registry_.find(name)) {
    return refuse(from, request, Reason::NAME_TAKEN,
                  "'" + name + "' is produced by pid " + std::to_string(older->pid) + " (" +
                      older->program + "), which keeps the name until it ends");
  }
  if (registry_.full()) {
    return refuse(from, request, Reason::LIMIT,
                  "the broker has " + std::to_string(registry_.max_streams()) +
                      " streams, its limit (--max-streams)");
  }
  auto stream = std::make_unique<Stream>();
  stream->name = name;
  stream->program = take_text(announce.getProgram());
  stream->program.resize(clip(stream->program, kMaxProgramBytes).size());
  stream->producer = from.serial;
  stream->pid = static_cast<std::uint32_t>(from.peer.pid);
  stream->uid = from.peer.uid;
  stream->ring = inbox_.take(0);
  const SegmentFault segment =
      stream->mapping.map(stream->ring.get(), kSlotsOffset, 2 * kMaxArenaBytes);
  if (segment != SegmentFault::none) {
    return refuse(from, request, Reason::BAD_DESCRIPTOR,
                  std::string("the ring was not taken: ") + describe(segment));
  }
  const RingFault ring = stream->view.open(stream->mapping.data(), stream->mapping.bytes());
  if (ring == RingFault::newer_layout || ring == RingFault::older_layout) {
    return refuse(from, request, Reason::VERSION,
                  "the ring has layout " + std::to_string(announce.getLayout()) +
                      ", the broker knows " + std::to_string(kLayoutVersion) + ": upgrade the " +
                      (ring == RingFault::newer_layout ? "broker" : "producer"));
  }
  if (ring != RingFault::none || stream->view.generation() != announce.getGeneration()) {
    return refuse(from, request, Reason::BAD_DESCRIPTOR,
                  ring != RingFault::none ? std::string("the ring was not taken: ") + describe(ring)
                                          : "the ring is of another generation than announced");
  }
  const auto readers = announce.getReaders();
  if (readers.size() > registry_.max_readers()) {
    throw BadMessage("more readers than a stream may have (--max-readers)");
  }
  for (const std::uint64_t id : readers) stream->unclaimed.push_back(id);
  registry_.add(std::move(stream));

  Draft draft(request);
  draft->initAnnounced().setBroker(broker_id_);
  send(from, draft);
  stream_appeared(name);
}

void Broker::on_attach(Connection& from, std::uint32_t request, wire::Attach::Reader attach) {
  const std::string fault = protocol_fault(attach.getProtocol(), "reader");
  if (!fault.empty()) return refuse(from, request, Reason::VERSION, fault);
  expect_memory(inbox_, 1);
  AttachRequest wish;
  wish.request = request;
  wish.stream = take_stream_name(attach.getStream());
  wish.layout = attach.getLayout();
  wish.bell = take_bell(attach.getBell());
  wish.wait = attach.getWait();
  wish.name = take_text(attach.getName());
  wish.name.resize(clip(wish.name, kMaxReaderNameBytes).size());
  wish.reader_page = inbox_.take(0);
  if (!attempts_.take(from.peer.uid, monotonic_ns())) {
    return refuse(from, request, Reason::LIMIT,
                  "uid " + std::to_string(from.peer.uid) +
                      " attaches too often (--attach-burst, --attach-rate); try again in a second");
  }
  if (leaves_unread(from.peer.uid, monotonic_ns())) {
    return refuse(from, request, Reason::LIMIT,
                  "uid " + std::to_string(from.peer.uid) +
                      " has not read what it was attached with; end or continue that program");
  }
  if (!options_.access.allows(Verb::read, wish.stream, from.peer)) {
    return refuse(from, request, Reason::NOT_ALLOWED, not_allowed("read", wish.stream, from.peer));
  }
  forget_reader(from);  // it may know of its producer's end before the broker does
  start_attach(from, std::move(wish));
}

void Broker::on_claim(Connection& from, std::uint32_t request, wire::Claim::Reader claim) {
  const std::string fault = protocol_fault(claim.getProtocol(), "reader");
  if (!fault.empty()) return refuse(from, request, Reason::VERSION, fault);
  expect_memory(inbox_, 2);
  Claim held;
  held.request = request;
  held.stream = take_stream_name(claim.getStream());
  held.generation = claim.getGeneration();
  held.deadline_ns = monotonic_ns() + kClaimHeld_ns;
  if (!options_.access.allows(Verb::read, held.stream, from.peer)) {
    return refuse(from, request, Reason::NOT_ALLOWED, not_allowed("read", held.stream, from.peer));
  }
  held.reader = std::make_unique<Reader>();
  Reader& reader = *held.reader;
  reader.id = claim.getId();
  reader.consumer = from.serial;
  reader.bell = take_bell(claim.getBell());
  reader.name = take_text(claim.getName());
  reader.name.resize(clip(reader.name, kMaxReaderNameBytes).size());
  reader.pid = static_cast<std::uint32_t>(from.peer.pid);
  reader.uid = from.peer.uid;
  reader.attached = true;
  SegmentFault segment = reader.page.map(inbox_.descriptor(0), kPageBytes, kMaxSharedPageBytes);
  if (segment == SegmentFault::none) {
    segment = reader.bell_page.map(inbox_.descriptor(1), kPageBytes, kMaxSharedPageBytes);
  }
  if (segment != SegmentFault::none) {
    return refuse(from, request, Reason::BAD_DESCRIPTOR,
                  std::string("a claimed page was not taken: ") + describe(segment));
  }
  forget_reader(from);
  settle_claim(from, std::move(held));
}

void Broker::on_reader_added(Connection& from, wire::ReaderAdded::Reader added) {
  expect_descriptors(inbox_, 2, 3);
  const Bell bell = take_bell(added.getBell());
  Stream* stream = registry_.of_producer(from.serial);
  Reader* reader = stream == nullptr ? nullptr : stream->find(added.getId());
  if (reader == nullptr || reader->attached) return;  // the consumer left meanwhile
  const bool event = bell == Bell::eventfd;
  if (!inbox_.holds(1, DescriptorKind::unix_socket) ||
      event != inbox_.holds(2, DescriptorKind::event) || event != (inbox_.descriptors() == 3) ||
      (event && reader->bell != Bell::eventfd)) {
    throw BadMessage("the reader's bell and the descriptors sent for it do not match");
  }
  const SegmentFault fault =
      reader->bell_page.map(inbox_.descriptor(0), kPageBytes, kMaxSharedPageBytes);
  if (fault != SegmentFault::none) {
    tell_producer_to_remove(*stream, reader->id);
    return fail_attach(*stream, reader->id, Reason::PRODUCER_FAILED,
                       std::string("the producer's bell page was not taken: ") + describe(fault));
  }
  Connection* consumer = find(reader->consumer);
  if (consumer == nullptr) return;  // about to be buried, which removes the reader
  reader->bell = bell;
  reader->attached = true;
  reader->attach.reader_page.reset();
  Draft draft(reader->attach.request);
  auto attached = draft->initAttached();
  attached.setId(reader->id);
  attached.setGeneration(stream->view.generation());
  attached.setBell(static_cast<std::uint32_t>(bell));
  attached.setLayout(kLayoutVersion);
  const int ring = stream->ring.get();
  const int page = inbox_.descriptor(0);
  const int line = inbox_.descriptor(1);
  const bool sent = event ? send(*consumer, draft, {ring, page, line, inbox_.descriptor(2)})
                          : send(*consumer, draft, {ring, page, line});
  consumer->read_by_ns = monotonic_ns() + kReadBy_ns;
  if (sent || !consumer->channel.is_open()) return;
  tell_producer_to_remove(*stream, reader->id);
  fail_attach(*stream, reader->id, Reason::LIMIT, kTooManyUnderWay);
}

void Broker::on_producer_refused(Connection& from, std::uint32_t request,
                                 wire::Refused::Reader refused) {
  const std::string text = take_text(refused.getText());
  const Reason reason = refused.getReason();
  if (Stream* stream = registry_.of_producer(from.serial)) {
    for (const auto& reader : stream->readers) {
      if (reader->attached || reader->producer_request != request) continue;
      return fail_attach(*stream, reader->id, reason, text);
    }
  }
  for (auto forward = forwards_.begin(); forward != forwards_.end(); ++forward) {
    if (forward->producer != from.serial || forward->producer_request != request) continue;
    if (Connection* asker = find(forward->asker)) refuse(*asker, forward->request, reason, text);
    forwards_.erase(forward);
    return;
  }
}

void Broker::on_settings(Connection& from, std::uint32_t request, wire::Message::Reader message) {
  const auto values = message.getSettings();
  check_settings(values);
  for (auto forward = forwards_.begin(); forward != forwards_.end(); ++forward) {
    if (forward->producer != from.serial || forward->producer_request != request) continue;
    if (Connection* asker = find(forward->asker)) {
      Draft draft(forward->request);
      draft->setSettings(values);
      send(*asker, draft);
    }
    forwards_.erase(forward);
    return;
  }
}

bool Broker::may_see(const Connection& asker, const Stream& stream) const noexcept {
  return options_.access.allows(Verb::read, stream.name, asker.peer) ||
         (asker.role == Role::operator_ &&
          options_.access.allows(Verb::operate, stream.name, asker.peer));
}

void Broker::on_list(Connection& from, std::uint32_t request) {
  std::vector<const Stream*> seen;
  for (const auto& stream : registry_.streams()) {
    if (may_see(from, *stream)) seen.push_back(stream.get());
  }
  Draft draft(request);
  auto streams = draft->initStreams(static_cast<unsigned>(seen.size()));
  for (unsigned i = 0; i < streams.size(); ++i) fill_stream(streams[i], *seen[i]);
  send(from, draft);
}

void Broker::on_stat(Connection& from, std::uint32_t request, const std::string& name) {
  const Stream* stream = registry_.find(name);
  if (stream == nullptr || !may_see(from, *stream)) {
    return refuse(
        from, request, Reason::NO_SUCH_STREAM,
        "no producer announces '" + name + "' (or you may not see it); see: framering ls");
  }
  Draft draft(request);
  fill_stat(draft->initStreamStat(), *stream, from.role == Role::operator_);
  send(from, draft);
}

void Broker::on_change(Connection& from, std::uint32_t request,
                       wire::ChangeSettings::Reader change) {
  const std::string name = take_stream_name(change.getStream());
  check_settings(change.getValues());
  if (!options_.access.allows(Verb::operate, name, from.peer)) {
    return refuse(from, request, Reason::NOT_ALLOWED, not_allowed("operate", name, from.peer));
  }
  const Stream* stream = registry_.find(name);
  Connection* producer = stream == nullptr ? nullptr : find(stream->producer);
  if (producer == nullptr) {
    return refuse(from, request, Reason::NO_SUCH_STREAM,
                  "no producer announces '" + name + "'; see: framering ls");
  }
  if (forwards_.size() >= kMaxForwards) {
    return refuse(from, request, Reason::LIMIT,
                  "too many settings are being changed at once; try again");
  }
  forwards_.push_back({next_request_++, producer->serial, from.serial, request,
                       monotonic_ns() + kSettingsAnswer_ns});
  Draft draft(forwards_.back().producer_request);
  draft->setChangeSettings(change);
  send(*producer, draft);
}

}  // namespace framering
