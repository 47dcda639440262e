// SPDX-License-Identifier: Apache-2.0
//
// What it costs to send one stream to many WebSockets: framering-websocket, a Go server with
// gorilla/websocket, and a bare loop of send(), which is the floor.
//
//   this process: publishes frames ──ring──► framering-websocket ─┐
//                                 ├──pipe──► gorilla-fanout ──────┼─► viewers, here as well
//                                 └──pipe──► bare send() ─────────┘
//
// All three run all the time, each with as many viewers of its own, and are fed in turns: a round
// is a few frames for each. What else the machine does hits all of them alike, and a ratio compares
// neighbours in time. framering-websocket has two turns in a round; how far these are apart is what
// such a ratio is worth. CPU is the server's, user and system, all threads
// (/proc/PID/task/*/schedstat).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "control/stream_writer.h"
#include "fanout_viewers.h"
#include "machine.h"
#include "ring/clock.h"
#include "ring/fd.h"

using namespace framering;
using namespace framering::bench;

namespace {

using Command = std::vector<std::string>;

constexpr std::size_t kFrameBytes = 30'000;
constexpr std::uint64_t kFps = 30;
constexpr std::uint64_t kSecond_ns = 1'000'000'000;
constexpr std::uint64_t kGrace_ns = 3 * kSecond_ns;  // for a frame to arrive on a busy machine
constexpr const char* kStream = "fanout/h264";

// What issue and README promise.
constexpr double kMostOfGorilla = 0.8;
constexpr double kMostKib = 64;

struct Size {
  std::size_t viewers, rounds, frames;
};
constexpr Size kFull{200, 20, 15}, kQuick{10, 2, 5};

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Reads the frame stream from a pipe; false at its end.
bool read_all(int fd, void* into, std::size_t size) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = ::read(fd, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

// The floor: each frame, with a WebSocket header, to each socket.
void send_barely(std::uint16_t port, const std::string& pipe_path, std::size_t viewers) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM, 0));
  const int yes = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 512) != 0)
    fail("listen");
  std::vector<Fd> sockets;
  std::array<char, 4096> request{};
  constexpr std::string_view kAnswer = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  while (sockets.size() < viewers) {
    Fd peer(::accept(listener.get(), nullptr, nullptr));
    if (::recv(peer.get(), request.data(), request.size(), 0) <= 0) continue;
    if (::send(peer.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL) < 0) continue;
    ::setsockopt(peer.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockets.push_back(std::move(peer));
  }
  const Fd pipe(::open(pipe_path.c_str(), O_RDONLY));
  std::uint32_t size = 0;
  std::vector<char> message;
  while (read_all(pipe.get(), &size, sizeof size)) {
    message.resize(4 + size);
    const std::array<unsigned char, 4> head = {0x82, 126, static_cast<unsigned char>(size >> 8),
                                               static_cast<unsigned char>(size)};
    std::memcpy(message.data(), head.data(), head.size());
    if (!read_all(pipe.get(), message.data() + 4, size)) return;
    for (const Fd& socket : sockets)
      static_cast<void>(::send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL));
  }
}

std::uint64_t cpu_ns(pid_t pid) {
  std::uint64_t sum = 0;
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::uint64_t ran = 0;
    if (std::ifstream(task.path() / "schedstat") >> ran) sum += ran;
  }
  return sum;
}

using SendFrame = std::function<void()>;

SendFrame into_pipe(const std::string& path) {
  const auto pipe = std::make_shared<Fd>(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  std::vector<char> message(sizeof(std::uint32_t) + kFrameBytes, 'U');
  const auto size = static_cast<std::uint32_t>(kFrameBytes);
  std::memcpy(message.data(), &size, sizeof size);
  return [pipe, message] {
    if (::write(pipe->get(), message.data(), message.size()) !=
        static_cast<ssize_t>(message.size()))
      fail("a server's pipe");
  };
}

SendFrame into_ring(StreamWriter& writer) {
  return [&writer, frame = std::vector<std::byte>(kFrameBytes, std::byte{0x55}),
          published = std::make_shared<std::uint64_t>(0)] {
    FrameMeta meta;
    meta.flags = (*published)++ % kFps == 0 ? kFrameKey : 0;
    meta.captured_ns = monotonic_ns();
    static_cast<void>(writer.publish(frame, meta));
  };
}

// What a server needs for its first viewer is not what each of them costs. Ends with a key frame:
// newcomers need no more than that.
void warm_up(std::uint16_t port, const std::string& path, const SendFrame& send_frame) {
  Crowd first(port, path, 1);
  for (std::uint64_t n = 0; n <= 2 * kFps; ++n) {
    send_frame();
    first.watch(monotonic_ns() + kSecond_ns / kFps / 4);
  }
}

// A server and its viewers, who come at once.
class Fed {
 public:
  Fed(pid_t server, std::uint16_t port, const std::string& path, std::size_t viewers)
      : server_(server), kib_before_(private_kib(server)), crowd_(port, path, viewers) {}

  // The newcomers' first frames are as many as there happen to be, so they do not count.
  void begin(SendFrame send_frame) {
    send_frame_ = std::move(send_frame);
    static_cast<void>(take_turn(1));
    crowd_.watch(monotonic_ns() + kSecond_ns);
  }

  struct Turn {
    double cpu_us_a_frame = 0;
    std::uint64_t delivered = 0, missing = 0;
  };
  Turn take_turn(std::size_t frames) {
    const std::uint64_t before = crowd_.taken(), all = frames * crowd_.size();
    const std::uint64_t cpu_before = cpu_ns(server_);
    std::uint64_t due_ns = monotonic_ns();
    for (std::size_t n = 0; n < frames; ++n) {
      send_frame_();
      crowd_.watch(due_ns += kSecond_ns / kFps);
    }
    crowd_.watch(due_ns + kGrace_ns, before + all);
    const std::uint64_t got = crowd_.taken() - before;
    return {.cpu_us_a_frame = static_cast<double>(cpu_ns(server_) - cpu_before) / 1000 /
                              static_cast<double>(std::max<std::uint64_t>(got, 1)),
            .delivered = got,
            .missing = all - std::min(got, all)};
  }
  [[nodiscard]] double kib_a_viewer() const {
    return (static_cast<double>(private_kib(server_)) - static_cast<double>(kib_before_)) /
           static_cast<double>(crowd_.size());
  }

 private:
  const pid_t server_;
  const std::uint64_t kib_before_;
  Crowd crowd_;
  SendFrame send_frame_;
};

// One turn in each round.
struct Lane {
  const char* name;
  Fed& fed;
  std::vector<double> cpu_us = {};
  std::uint64_t delivered = 0, missing = 0;

  void take_turn(std::size_t frames) {
    const Fed::Turn turn = fed.take_turn(frames);
    cpu_us.push_back(turn.cpu_us_a_frame);
    delivered += turn.delivered;
    missing += turn.missing;
  }
};

// The order changes from round to round: nobody always follows the same neighbour.
void run_rounds(std::vector<Lane*> lanes, const Size& size) {
  for (std::size_t round = 0; round < size.rounds; ++round) {
    for (Lane* lane : lanes) lane->take_turn(size.frames);
    std::rotate(lanes.begin(), lanes.begin() + 1, lanes.end());
  }
}

struct Spread {
  double median = 0, low = 0, high = 0;  // quartiles
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t count = values.size();
  return {.median = (values[(count - 1) / 2] + values[count / 2]) / 2,
          .low = values[(count - 1) / 4],
          .high = values[count - 1 - (count - 1) / 4]};
}

// Round by round.
Spread ratio(const Lane& of, const Lane& to) {
  std::vector<double> ratios;
  for (std::size_t n = 0; n < of.cpu_us.size(); ++n) ratios.push_back(of.cpu_us[n] / to.cpu_us[n]);
  return spread_of(std::move(ratios));
}

void say_head() {
  std::printf("%-28s us CPU a frame (quartiles) of bare send  delivered  missing  KiB a viewer\n",
              "");
}

void say(const Lane& lane, const Lane& floor) {
  const Spread cpu = spread_of(lane.cpu_us);
  std::printf("%-28s %7.2f (%5.2f..%5.2f) %12.2fx %10llu %8llu %13.1f\n", lane.name, cpu.median,
              cpu.low, cpu.high, ratio(lane, floor).median,
              static_cast<unsigned long long>(lane.delivered),
              static_cast<unsigned long long>(lane.missing), lane.fed.kib_a_viewer());
}

void say(const char* what, const Spread& ratio) {
  std::printf("%s: %.2fx (%.2f..%.2f)\n", what, ratio.median, ratio.low, ratio.high);
}

// Whether what is promised holds.
bool held(const Lane& ours, const Lane* gorilla) {
  bool held = ours.missing == 0 && ours.fed.kib_a_viewer() <= kMostKib;
  if (gorilla != nullptr) held &= ratio(ours, *gorilla).median <= kMostOfGorilla;
  std::printf("0 missing, at most %.0f KiB a viewer%s: %s\n", kMostKib,
              gorilla != nullptr ? ", at most 0.8x of gorilla/websocket" : "",
              held ? "held" : "NOT HELD");
  return held;
}

std::string make_pipe(const SocketDir& dir, const char* name) {
  std::string path = dir.path() + "/" + name;
  if (::mkfifo(path.c_str(), 0600) != 0) fail(path);
  return path;
}

}  // namespace

// websocket-fanout BROKER SERVER GORILLA|- [--quick]
int main(int argc, char** argv) try {
  if (argc < 4) return 2;
  const bool quick = argc > 4 && std::string_view(argv[4]) == "--quick";
  const Size size = quick ? kQuick : kFull;
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit files{4096, 4096};
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));
  const SocketDir dir;
  ::setenv("FRAMERING_DIR", dir.path().c_str(), 1);
  const std::string bare_pipe = make_pipe(dir, "bare"), go_pipe = make_pipe(dir, "gorilla");
  const Machine machine = this_machine();
  std::printf(
      "%zu viewers, %llu fps x %zu bytes, %zu rounds of %zu frames for each; %s, %u cores, "
      "Linux %s, load %.1f\n",
      size.viewers, static_cast<unsigned long long>(kFps), kFrameBytes, size.rounds, size.frames,
      machine.cpu.c_str(), machine.cores, machine.kernel.c_str(), machine.load);

  const std::uint16_t bare_port = free_port(), port = free_port(), go_port = free_port();
  const Child bare([&] { send_barely(bare_port, bare_pipe, size.viewers); });  // before any thread
  const Child broker(Command{argv[1]});
  StreamWriter writer(
      {.stream = kStream, .socket_dir = dir.path(), .codec = kCodecH264, .inter_coded = true});
  writer.set_state(SourceState::live);

  Fed bare_fed(bare.pid(), bare_port, "/", size.viewers);
  bare_fed.begin(into_pipe(bare_pipe));
  Lane floor{"bare send", bare_fed};

  const Child server(Command{argv[2], "--listen", "127.0.0.1:" + std::to_string(port),
                             "--max-connections", "1000", "--max-connections-per-address", "1000",
                             "--max-requests-per-second", "1000"});
  const std::string path = std::string("/api/stream/h264/direct?stream=") + kStream;
  const SendFrame send = into_ring(writer);
  warm_up(port, path, send);
  Fed our_fed(server.pid(), port, path, size.viewers);
  our_fed.begin(send);
  Lane ours{"framering-websocket", our_fed}, again{"framering-websocket, again", our_fed};

  if (std::string_view(argv[3]) == "-") {
    run_rounds({&floor, &ours, &again}, size);
    say_head();
    for (const Lane* lane : {&floor, &ours, &again}) say(*lane, floor);
    return quick ? ours.missing != 0 : !held(ours, nullptr);
  }

  const Child go_server(Command{argv[3], std::to_string(go_port), go_pipe});
  const SendFrame go_send = into_pipe(go_pipe);
  warm_up(go_port, "/", go_send);
  Fed go_fed(go_server.pid(), go_port, "/", size.viewers);
  go_fed.begin(go_send);
  Lane gorilla{"gorilla/websocket", go_fed};
  run_rounds({&floor, &ours, &gorilla, &again}, size);
  say_head();
  for (const Lane* lane : {&floor, &gorilla, &ours, &again}) say(*lane, floor);
  say("the same server again, to itself", ratio(again, ours));
  say("framering-websocket, to gorilla/websocket", ratio(ours, gorilla));
  return !held(ours, &gorilla);
} catch (const std::exception& error) {
  std::fprintf(stderr, "websocket-fanout: %s\n", error.what());
  return 1;
}
