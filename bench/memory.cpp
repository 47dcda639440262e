// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>

#include "control/stream_reader.h"
#include "shared_word.h"

namespace framering::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartPatience = 20s;
constexpr auto kSettle = 500ms;
const char* const kStream = "memory";

template <typename Condition>
bool comes_true(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + kStartPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// Holds `count` readers, reads with all of them in turn.
void read_with(std::uint32_t count, const std::string& socket_dir, SharedU32& attached) {
  std::vector<StreamReader> readers;
  for (std::uint32_t i = 0; i < count; ++i) {
    ReaderOptions options;
    options.stream = kStream;
    options.socket_dir = socket_dir;
    options.policy = Policy::newest;
    readers.emplace_back(options);
  }
  for (Frame frame;;) {
    for (StreamReader& reader : readers) (void)reader.next(frame, 0ns);
    attached.store(static_cast<std::uint32_t>(std::ranges::count(
                       readers, Link::attached, [](const auto& reader) { return reader.link(); })),
                   std::memory_order_relaxed);
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace

Child start_broker(const std::string& build_dir, const std::string& socket_dir,
                   const std::string& log) {
  Child broker(std::vector<std::string>{build_dir + "/broker/framering-broker", "--socket-dir",
                                        socket_dir, "--attach-burst", "512"},
               log);
  const std::string socket = socket_dir + "/consumer.sock";
  if (!comes_true([&] { return ::access(socket.c_str(), F_OK) == 0 || !broker.runs(); }) ||
      !broker.runs()) {
    throw std::runtime_error(build_dir +
                             "/broker/framering-broker did not start; is --build-dir right?");
  }
  return broker;
}

MemoryFigures measure_memory(const std::string& build_dir, std::uint32_t readers) {
  void* const memory =
      ::mmap(nullptr, sizeof(SharedU32), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  auto& attached = *new (memory) SharedU32(0);
  MemoryFigures figures;
  figures.readers = readers;
  bool all = false;
  {
    const SocketDir sockets;
    const Child broker = start_broker(build_dir, sockets.path());
    const Child producer(std::vector<std::string>{build_dir + "/producer/framering-producer",
                                                  "--source", "pattern", "--stream", kStream,
                                                  "--socket-dir", sockets.path(), "--fps", "60"});
    const Child reading([&] { read_with(readers, sockets.path(), attached); });
    all = comes_true([&] { return attached.load(std::memory_order_relaxed) == readers; });
    std::this_thread::sleep_for(kSettle);
    figures.broker_kib = private_kib(broker.pid());
    figures.producer_kib = private_kib(producer.pid());
  }
  ::munmap(memory, sizeof(SharedU32));
  if (!all || figures.broker_kib == 0 || figures.producer_kib == 0) {
    throw std::runtime_error("private memory: broker, producer and " + std::to_string(readers) +
                             " readers did not get together; are both programs built?");
  }
  return figures;
}

}  // namespace framering::bench
