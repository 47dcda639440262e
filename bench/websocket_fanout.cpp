// SPDX-License-Identifier: Apache-2.0
//
// What it costs to send one stream to many WebSockets: framering-websocket, a Go server with
// gorilla/websocket, and a bare loop of send(), which is the floor. The same frames, one after the
// other, each with as many viewers of its own.
//
//   this process: publishes frames ──ring──► framering-websocket ─┐
//                                 └──pipe──► rival ───────────────┴─► viewers, here as well
//
// A viewer takes bytes without looking at them (MSG_TRUNC), so that most of the machine is left to
// the servers. CPU is the server's, all threads (/proc/PID/task/*/schedstat).
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "control/stream_writer.h"
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
constexpr const char* kStream = "fanout/h264";

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::uint16_t free_port() {
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(probe.get(), generic, size) != 0 || ::getsockname(probe.get(), generic, &size) != 0)
    fail("a free port");
  return ntohs(address.sin_port);
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
  const sockaddr_in address = loopback(port);
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

// One connection: counts messages, and throws their bytes away where they are.
class Viewer {
 public:
  Viewer(std::uint16_t port, const std::string& path)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port);
    const std::uint64_t give_up = monotonic_ns() + 10 * kSecond_ns;
    while (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (monotonic_ns() > give_up) fail("connect to the server");
      ::usleep(20'000);
      fd_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }
    const std::string request = "GET " + path +
                                " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) fail("ask");
    read_answer();
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
  }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }

  void take() {
    for (;;) {
      const bool in_head = left_ == 0;
      const ssize_t got = in_head ? ::recv(fd_.get(), head_.data() + have_, need_ - have_, 0)
                                  : ::recv(fd_.get(), nullptr, left_, MSG_TRUNC);
      if (got == 0) throw std::runtime_error("the server closed a viewer's connection");
      if (got < 0) return;
      if (in_head) {
        have_ += static_cast<std::size_t>(got);
        parse_head();
      } else {
        left_ -= static_cast<std::size_t>(got);
        if (left_ == 0) ++messages_;
      }
    }
  }

 private:
  void read_answer() {
    std::string answer;
    char letter = 0;
    while (!answer.ends_with("\r\n\r\n")) {
      if (::recv(fd_.get(), &letter, 1, 0) != 1) throw std::runtime_error("no answer");
      answer.push_back(letter);
    }
    if (!answer.starts_with("HTTP/1.1 101")) throw std::runtime_error(answer);
  }

  void parse_head() {
    if (have_ < need_) return;
    const unsigned size = head_[1] & 127U;
    const std::size_t whole = size == 127 ? 10 : size == 126 ? 4 : 2;
    if (need_ < whole) {
      need_ = whole;
      return;
    }
    left_ = size;
    if (size >= 126) {
      left_ = 0;
      for (std::size_t at = 2; at < whole; ++at) left_ = left_ << 8 | head_.at(at);
    }
    have_ = 0;
    need_ = 2;
  }

  Fd fd_;
  std::array<unsigned char, 10> head_{};
  std::size_t have_ = 0, need_ = 2;
  std::size_t left_ = 0;  // of the payload
  std::uint64_t messages_ = 0;
};

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

// Publishes frames into the ring, and into a pipe while there is one.
class Source {
 public:
  explicit Source(const std::string& socket_dir)
      : writer_({.stream = kStream,
                 .socket_dir = socket_dir,
                 .codec = kCodecH264,
                 .inter_coded = true}),
        thread_([this](const std::stop_token& stop) { publish(stop); }) {}

  void open_pipe(const std::string& path) { pipe_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC); }
  void close_pipe() { static_cast<void>(::close(pipe_.exchange(-1))); }
  [[nodiscard]] std::uint64_t published() const noexcept { return published_; }

 private:
  void publish(const std::stop_token& stop) {
    writer_.set_state(SourceState::live);
    std::vector<std::byte> message(sizeof(std::uint32_t) + kFrameBytes, std::byte{0x55});
    const auto size = static_cast<std::uint32_t>(kFrameBytes);
    std::memcpy(message.data(), &size, sizeof size);
    const std::span<const std::byte> frame = std::span(message).subspan(sizeof size);
    std::uint64_t due_ns = monotonic_ns();
    while (!stop.stop_requested()) {
      FrameMeta meta;
      meta.flags = published_ % kFps == 0 ? kFrameKey : 0;
      meta.captured_ns = monotonic_ns();
      static_cast<void>(writer_.publish(frame, meta));
      if (const int pipe = pipe_; pipe >= 0)
        static_cast<void>(!::write(pipe, message.data(), message.size()));
      ++published_;
      due_ns += kSecond_ns / kFps;
      const std::uint64_t now_ns = monotonic_ns();
      if (due_ns > now_ns) ::usleep(static_cast<useconds_t>((due_ns - now_ns) / 1000));
    }
  }

  StreamWriter writer_;
  std::atomic<int> pipe_{-1};
  std::atomic<std::uint64_t> published_{0};
  std::jthread thread_;  // last: it uses the rest
};

struct Figures {
  double cpu_us_a_frame = 0;
  std::uint64_t delivered = 0, missing = 0;
  double kib_a_viewer = 0;
};

class Crowd {
 public:
  Crowd(std::uint16_t port, const std::string& path, std::size_t count)
      : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    viewers_.reserve(count);
    for (std::size_t n = 0; n < count; ++n) {
      viewers_.emplace_back(port, path);
      epoll_event event{.events = EPOLLIN, .data = {.ptr = &viewers_.back()}};
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, viewers_.back().fd(), &event);
    }
  }

  void watch(std::uint64_t for_ns) {
    const std::uint64_t until = monotonic_ns() + for_ns;
    std::array<epoll_event, 64> events{};
    while (monotonic_ns() < until) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 5);
      for (int n = 0; n < count; ++n)
        static_cast<Viewer*>(events.at(static_cast<std::size_t>(n)).data.ptr)->take();
    }
  }
  [[nodiscard]] std::vector<std::uint64_t> messages() const {
    std::vector<std::uint64_t> counts;
    for (const Viewer& viewer : viewers_) counts.push_back(viewer.messages());
    return counts;
  }

 private:
  Fd epoll_;
  std::vector<Viewer> viewers_;
};

Figures measure(const Child& server, Crowd& crowd, const Source& source, std::size_t seconds,
                std::uint64_t kib_before) {
  crowd.watch(kSecond_ns);  // the newcomers' first group of pictures
  const std::vector<std::uint64_t> before = crowd.messages();
  const std::uint64_t published = source.published();
  const std::uint64_t cpu_before = cpu_ns(server.pid());
  crowd.watch(seconds * kSecond_ns);
  const std::uint64_t cpu = cpu_ns(server.pid()) - cpu_before;
  const std::uint64_t expected = source.published() - published;
  const std::vector<std::uint64_t> after = crowd.messages();
  Figures figures;
  for (std::size_t n = 0; n < after.size(); ++n) {
    const std::uint64_t got = after[n] - before[n];
    figures.delivered += got;
    if (got + 1 < expected) figures.missing += expected - got;  // one may be on its way
  }
  figures.cpu_us_a_frame = static_cast<double>(cpu) / 1000 /
                           static_cast<double>(std::max<std::uint64_t>(figures.delivered, 1));
  figures.kib_a_viewer =
      (static_cast<double>(private_kib(server.pid())) - static_cast<double>(kib_before)) /
      static_cast<double>(after.size());
  return figures;
}

void say(const char* name, const Figures& figures, double floor) {
  std::printf(
      "%-22s %8.2f us CPU a frame (%.2fx of bare send) %9llu delivered %5llu missing %7.1f KiB a "
      "viewer\n",
      name, figures.cpu_us_a_frame, figures.cpu_us_a_frame / floor,
      static_cast<unsigned long long>(figures.delivered),
      static_cast<unsigned long long>(figures.missing), figures.kib_a_viewer);
}

}  // namespace

// websocket-fanout BROKER SERVER GORILLA|- [--quick]
int main(int argc, char** argv) try {
  if (argc < 4) return 2;
  const bool quick = argc > 4 && std::string_view(argv[4]) == "--quick";
  const std::size_t viewers = quick ? 10 : 200;
  const std::size_t seconds = quick ? 1 : 10;
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit files{4096, 4096};
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));
  const SocketDir dir;
  ::setenv("FRAMERING_DIR", dir.path().c_str(), 1);
  const std::string pipe = dir.path() + "/frames";
  if (::mkfifo(pipe.c_str(), 0600) != 0) fail(pipe);
  const std::string gorilla = argv[3];

  const Machine machine = this_machine();
  std::printf("%zu viewers, %llu fps x %zu bytes, %zu s each; %s, %u cores, Linux %s, load %.1f\n",
              viewers, static_cast<unsigned long long>(kFps), kFrameBytes, seconds,
              machine.cpu.c_str(), machine.cores, machine.kernel.c_str(), machine.load);

  const std::uint16_t bare_port = free_port();
  Child bare([&] { send_barely(bare_port, pipe, viewers); });  // forks: before any thread
  const Child broker(Command{argv[1]});
  Source source(dir.path());

  Figures floor;
  {
    Crowd crowd(bare_port, "/", viewers);
    source.open_pipe(pipe);
    floor = measure(bare, crowd, source, seconds, private_kib(bare.pid()));
    source.close_pipe();
  }
  bare.end();
  say("bare send", floor, floor.cpu_us_a_frame);

  Figures go;
  if (gorilla != "-") {
    const std::uint16_t port = free_port();
    const Child server(Command{gorilla, std::to_string(port), pipe});
    source.open_pipe(pipe);
    { const Viewer first(port, "/"); }
    const std::uint64_t kib = private_kib(server.pid());
    Crowd crowd(port, "/", viewers);
    go = measure(server, crowd, source, seconds, kib);
    source.close_pipe();
    say("gorilla/websocket", go, floor.cpu_us_a_frame);
  }

  const std::uint16_t port = free_port();
  const Child server(Command{argv[2], "--listen", "127.0.0.1:" + std::to_string(port),
                             "--max-connections", "1000", "--max-connections-per-address", "1000",
                             "--max-requests-per-second", "1000"});
  const std::string path = std::string("/api/stream/h264/direct?stream=") + kStream;
  { const Viewer first(port, path); }
  const std::uint64_t kib = private_kib(server.pid());
  Crowd crowd(port, path, viewers);
  const Figures ours = measure(server, crowd, source, seconds, kib);
  say("framering-websocket", ours, floor.cpu_us_a_frame);
  if (gorilla != "-")
    std::printf("CPU a delivered frame: %.2fx of gorilla/websocket's\n",
                ours.cpu_us_a_frame / go.cpu_us_a_frame);
  return ours.delivered > 0 && (quick || ours.missing == 0) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "websocket-fanout: %s\n", error.what());
  return 1;
}
