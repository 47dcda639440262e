// SPDX-License-Identifier: Apache-2.0
//
// A real broker, and a producer, a consumer and an operator that send it anything, with or without
// descriptors: messages of the fuzzer's making, with some of their bytes altered, and plain bytes.
// Meanwhile and afterwards it must still answer an honest operator.
//
// Each input has a broker of its own, so that the input that breaks one does so alone as well.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker.h"
#include "control/socket_path.h"
#include "fuzz_input.h"
#include "ring/segment.h"
#include "ring/writer.h"

using namespace framering;
using namespace framering::fuzz;

namespace {

// Much for a broker that works, so that one on a busy machine passes; less than libFuzzer's
// -timeout.
constexpr std::chrono::milliseconds kPatience{20'000};

// libFuzzer's own timer interrupts every few seconds, and poll(2) is never resumed after a signal.
bool readable_in_time(int fd) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  pollfd waited{fd, POLLIN, 0};
  int ready = 0;
  do {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    ready = ::poll(&waited, 1, static_cast<int>(std::max(left.count(), decltype(left.count()){0})));
  } while (ready < 0 && errno == EINTR);
  return ready == 1;
}

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
    // What a thread of the disposer has in hand yet, LeakSanitizer may take for a leak.
    for (int tries = 0; threads() > threads_ && tries < kPatience.count(); ++tries) ::usleep(1000);
    std::filesystem::remove_all(dir_);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] Channel connect(Role role) const {
    int error = 0;
    Fd socket = connect_seqpacket(socket_path(dir_, role), error);
    for (int tries = 0; !socket.valid() && error == EAGAIN && tries < kPatience.count(); ++tries) {
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
    demand(readable_in_time(channel.fd()), "the broker answers an honest operator in time");
    demand(channel.receive(inbox_) == Received::message, "the answer is a message");
    if (inbox_.message().isRefused()) {
      std::fprintf(stderr, "refused: %s\n", inbox_.message().getRefused().getText().cStr());
    }
    demand(inbox_.message().getRequest() == 7 && inbox_.message().isStreams(), "it is the answer");
  }

 private:
  [[nodiscard]] static std::ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  }

  const std::ptrdiff_t threads_ = threads();
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

// What the peers may hand over; of their own.
struct Props {
  OwnSegment page{"fuzz-page", kPageBytes};
  RingWriter ring{{.name = "fuzz-ring", .arena_bytes = 65536, .slot_count = 8}};
  Fd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  Fd line{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};

  [[nodiscard]] std::vector<int> some(unsigned choice) const {
    switch (choice % 8) {
      case 0:
        return {page.fd()};
      case 1:
        return {ring.fd()};
      case 2:
        return {};
      case 3:
        return {page.fd(), page.fd()};
      case 4:
        return {page.fd(), line.get()};
      case 5:
        return {page.fd(), line.get(), event.get()};
      case 6:
        return {STDERR_FILENO};
      default:
        return std::vector<int>(5, page.fd());
    }
  }
};

// Random numbers that a peer learns and nobody guesses.
struct Secrets {
  std::uint64_t generation = 0;  // of the ring
  std::uint64_t reader = 0;      // that the producer was asked to add last
};

// A message as its sender would write it; every number in it is the fuzzer's, or for even ones the
// secret that belongs there.
kj::Array<capnp::word> make_message(FuzzInput& input, const Secrets& secrets) {
  Draft draft(input.take<std::uint8_t>());
  const std::string stream = name(input);
  const std::uint32_t version = (input.take<std::uint8_t>() & 3) == 3 ? 9 : 1;
  const std::uint64_t number = input.take<std::uint16_t>();
  const bool honest = (number & 1) == 0;
  const std::uint64_t id = honest ? secrets.reader : number;
  const std::uint64_t generation = honest ? secrets.generation : number;
  switch (input.take<std::uint8_t>() % 9) {
    case 0: {
      auto announce = draft->initAnnounce();
      announce.setProtocol(version);
      announce.setLayout(version);
      announce.setStream(as_text(stream));
      announce.setGeneration(generation);
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
      claim.setGeneration(generation);
      claim.setId(id);
      break;
    }
    case 3:
      draft->initReaderAdded().setId(id);
      break;
    case 4:
      draft->initReaderGone().setId(id);
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

// The broker's clients; those who do not read leave what it sends them in its way.
class Peers {
 public:
  Peers(Stage& stage, const Props& props) : stage_(stage), props_(props) {
    for (std::size_t i = 0; i < peers_.size(); ++i) peers_[i] = stage.connect(kRoles[i]);
  }

  // Sends one datagram: a message, altered or not, or plain bytes.
  void send_something(FuzzInput& input) {
    const std::size_t who = input.take<std::uint8_t>() % peers_.size();
    // An answer says that what the others sent before has been seen: so the order is the input's.
    if (who != std::exchange(last_, who)) stage_.ask();
    const auto choice = input.take<std::uint8_t>();
    const int socket = peers_[who].fd();
    if (socket < 0) return;
    const std::vector<int> descriptors = props_.some(choice);
    if ((choice & 0xE0) == 0) {
      const std::size_t bytes = input.take<std::uint16_t>() % 4096;
      return send_raw(socket, input.take_bytes(bytes), descriptors);
    }
    if ((choice & 0x10) != 0) read(peers_[who]);
    auto message = make_message(input, secrets_);
    const std::span<std::byte> bytes =
        std::as_writable_bytes(std::span(message.begin(), message.size()));
    for (unsigned alter = input.take<std::uint8_t>() % 4; alter > 0; --alter) {
      const std::size_t at = input.take<std::uint16_t>() % bytes.size();
      bytes[at] ^= std::byte{input.take<std::uint8_t>()};
    }
    send_raw(socket, bytes, descriptors);
  }

 private:
  void read(Channel& peer) {
    while (peer.receive(inbox_) == Received::message) {
      const auto message = inbox_.message();
      if (message.isAddReader()) secrets_.reader = message.getAddReader().getId();
    }
  }

  Stage& stage_;
  const Props& props_;
  std::array<Channel, std::size(kRoles)> peers_;
  Inbox inbox_;
  std::size_t last_ = 0;
  Secrets secrets_{props_.ring.generation(), 1};
};

}  // namespace

// Messages: who, descriptors, request, name, version, number (2), kind, changes.
std::vector<Seed> framering::fuzz::seeds() {
  const Seed announce{0, 0x21, 1, 0, 0, 0, 0, 0, 0};
  const Seed attach{1, 0x20, 1, 0, 0, 0, 0, 1, 0};
  const Seed reader_added{0, 0x34, 1, 0, 0, 0, 0, 3, 0};
  Seed met;
  for (const Seed& each : {announce, attach, reader_added}) {
    met.insert(met.end(), each.begin(), each.end());
  }
  std::vector<Seed> all{met};
  for (std::uint8_t kind = 0; kind < 9; ++kind) {
    for (const Role role : kRoles) {
      Seed later = met;
      const Seed message{static_cast<std::uint8_t>(role), 0x30, 1, 0, 0, 0, 0, kind, 0};
      later.insert(later.end(), message.begin(), message.end());
      all.push_back(message);
      all.push_back(later);
    }
  }
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Props props;
  Stage stage;
  FuzzInput input(data, size);
  {
    Peers peers(stage, props);
    while (!input.empty()) peers.send_something(input);
    stage.ask();
  }
  stage.ask();  // and when they have left
  return 0;
}
