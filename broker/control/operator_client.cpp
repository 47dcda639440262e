// SPDX-License-Identifier: Apache-2.0
#include "control/operator_client.h"

#include <kj/exception.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

#include "control/channel.h"
#include "control/socket_path.h"
#include "ring/clock.h"

namespace framering {

namespace {

using Kind = OperatorError::Kind;

StreamInfo stream_info(wire::Stream::Reader from) {
  StreamInfo stream;
  stream.name = take_text(from.getName());
  stream.codec = from.getCodec();
  stream.width = from.getWidth();
  stream.height = from.getHeight();
  stream.generation = from.getGeneration();
  stream.state = static_cast<SourceState>(from.getState());
  stream.state_since_ns = from.getStateSinceNs();
  stream.heartbeat_ns = from.getHeartbeatNs();
  stream.head = from.getHead();
  stream.newest_key = from.getNewestKey();
  stream.readers = from.getReaders();
  stream.producer_pid = from.getProducerPid();
  stream.producer_uid = from.getProducerUid();
  stream.bytes_published = from.getBytesPublished();
  stream.arena_bytes = from.getArenaBytes();
  stream.max_frame_bytes = from.getMaxFrameBytes();
  stream.slot_count = from.getSlotCount();
  stream.program = take_text(from.getProgram());
  return stream;
}

ReaderInfo reader_info(wire::ReaderStat::Reader from) {
  ReaderInfo reader;
  reader.id = from.getId();
  reader.name = take_text(from.getName());
  reader.pid = from.getPid();
  reader.uid = from.getUid();
  reader.bell = static_cast<Bell>(from.getBell());
  reader.demand = from.getDemand() != 0;
  reader.read_to = from.getReadTo();
  reader.delivered = from.getDelivered();
  reader.delivered_bytes = from.getDeliveredBytes();
  reader.lost_lapped = from.getLostLapped();
  reader.lost_skipped = from.getLostSkipped();
  reader.lost_undecodable = from.getLostUndecodable();
  reader.leases_revoked = from.getLeasesRevoked();
  reader.leases_held = from.getLeasesHeld();
  reader.key_requests = from.getKeyRequests();
  reader.backlog_frames = from.getBacklogFrames();
  reader.backlog_bytes = from.getBacklogBytes();
  reader.attached_ns = from.getAttachedNs();
  return reader;
}

}  // namespace

class OperatorClient::Impl {
 public:
  Impl(const std::string& argument, std::chrono::milliseconds limit) : timeout(limit) {
    const std::string dir = resolve_socket_dir(argument);
    const std::string path = socket_path(dir, Role::operator_);
    int error = 0;
    Fd socket = connect_seqpacket(path, error);
    if (!socket.valid() && (error == EACCES || error == EPERM)) {
      int consumer_error = 0;
      socket = connect_seqpacket(socket_path(dir, Role::consumer), consumer_error);
      questions_only = true;
    }
    if (!socket.valid()) {
      throw OperatorError(
          Kind::unreachable,
          path + ": " + std::strerror(error) +
              (error == EACCES ? "; you may open neither the operator nor the consumer socket"
                               : "; is framering-broker running there (--socket-dir)?"));
    }
    channel = Channel(std::move(socket));
  }

  // Sends a question and waits for its answer, which is in the inbox afterwards and of kind
  // `expected`.
  wire::Message::Reader ask(Draft& draft, wire::Message::Which expected) {
    const std::uint64_t deadline_ns =
        monotonic_ns() + static_cast<std::uint64_t>(timeout.count()) * 1'000'000;
    channel.send(draft);
    for (;;) {
      switch (channel.receive(inbox)) {
        case Received::message: {
          const auto message = inbox.message();
          const bool ours = message.getRequest() == request || message.getRequest() == 0;
          if (ours && message.isRefused()) {
            throw OperatorError(Kind::refused, take_text(message.getRefused().getText()));
          }
          if (ours && message.which() == expected) return message;
          continue;  // the late answer to an earlier question
        }
        case Received::closed:
          throw OperatorError(Kind::unreachable, "the broker closed the connection");
        case Received::bad:
          throw OperatorError(Kind::unreachable, "the broker sent what is no message");
        case Received::nothing:
          break;
      }
      const std::uint64_t now_ns = monotonic_ns();
      if (now_ns >= deadline_ns) {
        throw OperatorError(Kind::timed_out, "the broker did not answer in time; is it stopped?");
      }
      pollfd ready{channel.fd(), POLLIN, 0};
      ::poll(&ready, 1, static_cast<int>((deadline_ns - now_ns) / 1'000'000 + 1));
    }
  }

  // Runs `question`; a broker that answers nonsense is an OperatorError like any other.
  template <typename Question>
  auto run(Question question) {
    try {
      ++request;
      return question();
    } catch (const kj::Exception&) {
      throw OperatorError(Kind::unreachable, "the broker's answer is misshapen");
    } catch (const BadMessage& bad) {
      throw OperatorError(Kind::unreachable, std::string("the broker's answer: ") + bad.what());
    }
  }

  const std::chrono::milliseconds timeout;
  Channel channel;
  Inbox inbox;
  std::uint32_t request = 0;
  bool questions_only = false;  // on the consumer socket
};

OperatorClient::OperatorClient(const std::string& socket_dir, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>(socket_dir, timeout)) {}
OperatorClient::~OperatorClient() = default;

std::vector<StreamInfo> OperatorClient::list() {
  return impl_->run([&] {
    Draft draft(impl_->request);
    draft->setListStreams();
    std::vector<StreamInfo> streams;
    for (const auto stream : impl_->ask(draft, wire::Message::STREAMS).getStreams()) {
      streams.push_back(stream_info(stream));
    }
    return streams;
  });
}

StreamStat OperatorClient::stat(const std::string& stream) {
  return impl_->run([&] {
    Draft draft(impl_->request);
    draft->setStatStream(as_text(stream));
    const auto from = impl_->ask(draft, wire::Message::STREAM_STAT).getStreamStat();
    StreamStat stat;
    stat.stream = stream_info(from.getStream());
    stat.frames_too_large = from.getFramesTooLarge();
    stat.key_requests_wanted = from.getKeyRequestsWanted();
    stat.key_requests_granted = from.getKeyRequestsGranted();
    stat.leases_stepped_over = from.getLeasesSteppedOver();
    stat.leases_revoked = from.getLeasesRevoked();
    stat.bells_rung = from.getBellsRung();
    stat.bells_by_ringer = from.getBellsByRinger();
    stat.taken_ns = from.getTakenNs();
    for (const auto reader : from.getReaders()) stat.readers.push_back(reader_info(reader));
    return stat;
  });
}

std::vector<SettingValue> OperatorClient::change(
    const std::string& stream, const std::vector<std::pair<std::string, std::string>>& values) {
  if (impl_->questions_only) {
    throw OperatorError(Kind::refused,
                        "only users who may open the operator socket change settings");
  }
  return impl_->run([&] {
    Draft draft(impl_->request);
    auto change = draft->initChangeSettings();
    change.setStream(as_text(stream));
    auto list = change.initValues(static_cast<unsigned>(values.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setKey(as_text(values[i].first));
      list[i].setValue(as_text(values[i].second));
    }
    std::vector<SettingValue> now;
    for (const auto value : impl_->ask(draft, wire::Message::SETTINGS).getSettings()) {
      now.push_back({take_text(value.getKey()), take_text(value.getValue()),
                     take_text(value.getRange()), take_text(value.getUnit())});
    }
    return now;
  });
}

}  // namespace framering
