// SPDX-License-Identifier: Apache-2.0
//
// A real broker, and one peer that sends it anything, on the socket of any role, with or without
// descriptors: messages of the fuzzer's making, with some of their bytes altered, and plain bytes.
// Afterwards it must still answer an honest operator at once.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker.h"
#include "control/socket_path.h"
#include "fuzz_input.h"
#include "ring/segment.h"
#include "ring/writer.h"

using namespace framering;
using namespace framering::fuzz;

namespace {

constexpr int kPatience_ms = 5000;

// Runs for the life of the process.
class Stage {
 public:
  Stage() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "framering-fuzz-XXXXXX").string();
    demand(::mkdtemp(pattern.data()) != nullptr, "a folder for the sockets");
    dir_ = pattern;
    BrokerOptions options;
    options.socket_dir = dir_;
    options.attach_burst = 1u << 30;
    options.attach_per_second = 1u << 30;
    broker_ = std::make_unique<Broker>(options);
    thread_ = std::thread([this] { broker_->run(stop_.get()); });
  }
  ~Stage() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
    broker_.reset();
    std::filesystem::remove_all(dir_);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] Channel connect(Role role) const {
    int error = 0;
    Fd socket = connect_seqpacket(socket_path(dir_, role), error);
    for (int tries = 0; !socket.valid() && error == EAGAIN && tries < kPatience_ms; ++tries) {
      ::usleep(1000);
      socket = connect_seqpacket(socket_path(dir_, role), error);
    }
    demand(socket.valid(), "the broker accepts a connection");
    return Channel(std::move(socket));
  }

  // An honest question on a connection of its own.
  void ask() {
    Channel channel = connect(Role::operator_);
    Draft draft(7);
    draft->setListStreams();
    demand(channel.send(draft), "the broker takes a question");
    pollfd waited{channel.fd(), POLLIN, 0};
    demand(::poll(&waited, 1, kPatience_ms) == 1, "the broker answers an honest operator in time");
    demand(channel.receive(inbox_) == Received::message, "the answer is a message");
    if (inbox_.message().isRefused()) {
      std::fprintf(stderr, "refused: %s\n", inbox_.message().getRefused().getText().cStr());
    }
    demand(inbox_.message().getRequest() == 7 && inbox_.message().isStreams(), "it is the answer");
  }

 private:
  std::string dir_;
  std::unique_ptr<Broker> broker_;
  Fd stop_{::eventfd(0, EFD_CLOEXEC)};
  std::thread thread_;
  Inbox inbox_;
};

void send_raw(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size_bytes());
  }
  static_cast<void>(::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL));
}

// Few names, so that peers meet.
std::string name(FuzzInput& input) {
  static const char* const kNames[] = {"a", "a/b", "", "../a", "a//b", "long/\x1b[2J"};
  const auto choice = input.take<std::uint8_t>();
  return choice == 255 ? std::string(100, 'x') : kNames[choice % std::size(kNames)];
}

// A message as its sender would write it; every number in it is the fuzzer's.
kj::Array<capnp::word> make_message(FuzzInput& input) {
  Draft draft(input.take<std::uint8_t>());
  const std::string stream = name(input);
  const std::uint32_t version = (input.take<std::uint8_t>() & 3) == 3 ? 9 : 1;
  const std::uint64_t number = input.take<std::uint16_t>();
  switch (input.take<std::uint8_t>() % 9) {
    case 0: {
      auto announce = draft->initAnnounce();
      announce.setProtocol(version);
      announce.setLayout(version);
      announce.setStream(as_text(stream));
      announce.setGeneration(number);
      announce.initReaders(static_cast<unsigned>(number % 300));
      break;
    }
    case 1: {
      auto attach = draft->initAttach();
      attach.setProtocol(version);
      attach.setLayout(version);
      attach.setStream(as_text(stream));
      attach.setWait((number & 1) != 0);
      attach.setBell(static_cast<std::uint32_t>(number >> 1));
      break;
    }
    case 2: {
      auto claim = draft->initClaim();
      claim.setProtocol(version);
      claim.setLayout(version);
      claim.setStream(as_text(stream));
      claim.setGeneration(number);
      claim.setId(number);
      break;
    }
    case 3:
      draft->initReaderAdded().setId(number);
      break;
    case 4:
      draft->initReaderGone().setId(number);
      break;
    case 5:
      draft->setStatStream(as_text(stream));
      break;
    case 6: {
      auto change = draft->initChangeSettings();
      change.setStream(as_text(stream));
      change.initValues(static_cast<unsigned>(number % 100));
      break;
    }
    case 7:
      draft->initSettings(static_cast<unsigned>(number % 100));
      break;
    default:
      draft->setListStreams();
      break;
  }
  return capnp::messageToFlatArray(draft.builder());
}

// Sends one datagram: a message, altered or not, or plain bytes.
void send_something(int socket, FuzzInput& input, int ring, int page) {
  const auto choice = input.take<std::uint8_t>();
  static constexpr std::size_t kCounts[] = {1, 1, 1, 0, 2, 5};
  const int offered[] = {page, ring, STDERR_FILENO};
  const std::vector<int> descriptors(kCounts[choice % std::size(kCounts)],
                                     offered[(choice >> 3) % std::size(offered)]);
  if ((choice & 0xE0) == 0) {
    const std::size_t bytes = input.take<std::uint16_t>() % 4096;
    return send_raw(socket, input.take_bytes(bytes), descriptors);
  }
  auto message = make_message(input);
  const std::span<std::byte> bytes =
      std::as_writable_bytes(std::span(message.begin(), message.size()));
  for (unsigned alter = input.take<std::uint8_t>() % 4; alter > 0; --alter) {
    const std::size_t at = input.take<std::uint16_t>() % bytes.size();
    bytes[at] ^= std::byte{input.take<std::uint8_t>()};
  }
  send_raw(socket, bytes, descriptors);
}

}  // namespace

// The socket's role; then messages: descriptors, request, name, version, number, kind, changes.
std::vector<Seed> framering::fuzz::seeds() {
  std::vector<Seed> all;
  for (std::uint8_t role = 0; role < 3; ++role) {
    Seed every{role};
    for (std::uint8_t kind = 0; kind < 9; ++kind) {
      const Seed message{0x20, 1, 0, 0, 1, 0, kind, 0};
      every.insert(every.end(), message.begin(), message.end());
      Seed alone{role};
      alone.insert(alone.end(), message.begin(), message.end());
      all.push_back(alone);
    }
    all.push_back(every);
  }
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Stage stage;
  static const OwnSegment page("fuzz-page", kPageBytes);
  static const RingWriter ring({.name = "fuzz-ring", .arena_bytes = 65536, .slot_count = 8});
  FuzzInput input(data, size);
  const Channel peer = stage.connect(kRoles[input.take<std::uint8_t>() % std::size(kRoles)]);
  while (!input.empty()) send_something(peer.fd(), input, ring.fd(), page.fd());
  stage.ask();
  return 0;
}
