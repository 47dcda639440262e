// SPDX-License-Identifier: Apache-2.0
//
// What a producer says to the broker, and how it answers.
#include <sys/epoll.h>

#include <algorithm>
#include <system_error>

#include "control/producer_link.h"
#include "ring/clock.h"

namespace framering {

namespace {

// How long the readers of before have to claim themselves at a broker that came back.
constexpr std::uint64_t kConfirm_ns = 5'000'000'000;
constexpr std::uint64_t kFirstAnnounceBackOff_ns = 50'000'000;
constexpr std::uint64_t kMaxAnnounceBackOff_ns = 1'000'000'000;

Reason reason_of(AddFault fault) noexcept {
  switch (fault) {
    case AddFault::bad_page:
      return Reason::BAD_DESCRIPTOR;
    case AddFault::table_full:
      return Reason::LIMIT;
    default:
      return Reason::PRODUCER_FAILED;
  }
}

}  // namespace

void ProducerLink::announce() {
  announce_again_ns_ = 0;
  const auto readers = ring_.readers().entries();
  unconfirmed_.clear();
  confirm_by_ns_ = 0;
  Draft draft(++announce_request_);
  auto announce = draft->initAnnounce();
  announce.setProtocol(kProtocolVersion);
  announce.setLayout(kLayoutVersion);
  announce.setStream(as_text(stream_));
  announce.setGeneration(ring_.generation());
  announce.setProgram(as_text(program_));
  auto served = announce.initReaders(static_cast<unsigned>(readers.size()));
  for (unsigned i = 0; i < served.size(); ++i) {
    served.set(i, readers[i]->id);
    unconfirmed_.push_back(readers[i]->id);
  }
  send(draft, {ring_.fd()});
}

void ProducerLink::handle(std::uint64_t now_ns) {
  const auto message = inbox_.message();
  const std::uint32_t request = message.getRequest();
  using M = wire::Message;
  switch (message.which()) {
    case M::ANNOUNCED:
      return on_announced(now_ns);
    case M::REFUSED:
      return on_refused(request, message.getRefused(), now_ns);
    case M::ADD_READER:
      return on_add_reader(request, message.getAddReader());
    case M::REMOVE_READER:
      return drop_reader(message.getRemoveReader().getId(), false);
    case M::CLAIM_READER:
      std::erase(unconfirmed_, message.getClaimReader().getId());
      if (unconfirmed_.empty()) confirm_by_ns_ = 0;
      return;
    case M::CHANGE_SETTINGS:
      return on_change(request, message.getChangeSettings());
    default: {
      refuse(request, Reason::UNSUPPORTED,
             "this producer does not know the message; upgrade the producer");
      return;
    }
  }
}

void ProducerLink::on_announced(std::uint64_t now_ns) {
  announced_.store(true, std::memory_order_release);
  announce_back_off_ns_ = 0;
  name_is_taken_ = false;
  refused_since_ns_ = 0;
  finder_.succeeded();
  set_refusal({});
  confirm_by_ns_ = unconfirmed_.empty() ? 0 : now_ns + kConfirm_ns;
}

void ProducerLink::on_refused(std::uint32_t request, wire::Refused::Reader refused,
                              std::uint64_t now_ns) {
  if (request != 0 && request != announce_request_) return;
  set_refusal(take_text(refused.getText()));
  name_is_taken_ = name_is_taken_ || refused.getReason() == Reason::NAME_TAKEN;
  // Whoever it served under the name that it has lost has no other way to be let go of.
  if (refused_since_ns_ == 0) refused_since_ns_ = now_ns;
  if (now_ns - refused_since_ns_ >= kConfirm_ns) drop_unconfirmed();
  announce_back_off_ns_ =
      std::clamp(announce_back_off_ns_ * 2, kFirstAnnounceBackOff_ns, kMaxAnnounceBackOff_ns);
  announce_again_ns_ = now_ns + announce_back_off_ns_;
}

void ProducerLink::on_add_reader(std::uint32_t request, wire::AddReader::Reader add) {
  const std::uint32_t bell = add.getBell();
  if (inbox_.descriptors() != 1 || !inbox_.holds(0, DescriptorKind::memory) ||
      bell > static_cast<std::uint32_t>(Bell::line)) {
    refuse(request, Reason::BAD_MESSAGE, "AddReader comes with one reader page");
    return;
  }
  NewReader reader;
  reader.id = add.getId();
  reader.uid = add.getUid();
  reader.pid = add.getPid();
  reader.bell = static_cast<Bell>(bell);
  if (reader.bell == Bell::eventfd && without_eventfd(reader.uid)) reader.bell = Bell::line;
  reader.reader_page = inbox_.take(0);
  try {
    ring_.bells().prepare(reader.bell);
  } catch (const std::system_error&) {
    refuse(request, Reason::PRODUCER_FAILED, "the producer is out of threads or descriptors");
    return;
  }
  const AddOutcome outcome = ring_.readers().add(std::move(reader));
  if (outcome.fault != AddFault::none) {
    refuse(request, reason_of(outcome.fault), outcome.text);
    return;
  }
  // Its page may count requests that an earlier generation has answered.
  ring_.readers().for_each([&](ReaderEntry& entry) {
    if (entry.id == outcome.entry->id) {
      entry.key_requests_counted = entry.page->key_requests.load(std::memory_order_relaxed);
    }
  });
  if (!watch_line(EPOLL_CTL_ADD, *outcome.entry)) {  // its end would not be heard
    drop_reader(outcome.entry->id, false);
    refuse(request, Reason::PRODUCER_FAILED, "the producer is out of memory or epoll watches");
    return;
  }
  if (outcome.entry->event && look_at_events_ns_ == 0) look_at_events(monotonic_ns());

  const ReaderHandles& handles = outcome.handles;
  Draft draft(request);
  auto added = draft->initReaderAdded();
  added.setId(outcome.entry->id);
  added.setBell(static_cast<std::uint32_t>(handles.bell));
  if (handles.bell == Bell::eventfd) {
    send(draft, {handles.bell_page.get(), handles.line.get(), handles.event.get()});
  } else {
    send(draft, {handles.bell_page.get(), handles.line.get()});
  }
  nudge();
}

void ProducerLink::on_change(std::uint32_t request, wire::ChangeSettings::Reader change) {
  if (settings_ == nullptr) {
    refuse(request, Reason::UNSUPPORTED, "this producer has no settings to change");
    return;
  }
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto value : change.getValues()) {
    values.emplace_back(take_text(value.getKey()), take_text(value.getValue()));
  }
  const std::string fault = values.empty() ? std::string() : settings_->change(values);
  if (!fault.empty()) {
    refuse(request, Reason::BAD_SETTING, fault);
    return;
  }
  const std::vector<SettingValue> now = settings_->settings();
  Draft draft(request);
  auto list = draft->initSettings(static_cast<unsigned>(std::min(now.size(), kMaxSettings)));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setKey(as_text(now[i].key));
    list[i].setValue(as_text(now[i].value));
    list[i].setRange(as_text(now[i].range));
    list[i].setUnit(as_text(now[i].unit));
  }
  send(draft);
}

}  // namespace framering
