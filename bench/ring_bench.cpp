// SPDX-License-Identifier: Apache-2.0
//
// What one publish and one read cost inside a process, beside the memcpy that is their floor.
// Latency from process to process and the rivals are other benches; here it is instructions and
// cache lines.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "ring_fixture.h"

namespace framering::test {
namespace {

constexpr std::uint64_t kArenaBytes = 4u << 20;

RingOptions encoded_ring() {
  RingOptions options = small_ring(kArenaBytes, 256);
  return options;
}

std::vector<std::byte> payload_of(benchmark::State& state) {
  return std::vector<std::byte>(static_cast<std::size_t>(state.range(0)), std::byte{7});
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

// The floor: the same bytes into the same footprint, and nothing else.
void copy_floor(benchmark::State& state) {
  const std::vector<std::byte> payload = payload_of(state);
  OwnSegment arena("bench-floor", kArenaBytes);
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + payload.size() > kArenaBytes) at = 0;
    std::memcpy(arena.data() + at, payload.data(), payload.size());
    benchmark::ClobberMemory();
    at += (payload.size() + 63) / 64 * 64;
  }
  count_bytes(state);
}
BENCHMARK(copy_floor)->Arg(64)->Arg(100'000)->Arg(1'000'000);

// range(1) readers attached, all awake.
void publish(benchmark::State& state) {
  const std::vector<std::byte> payload = payload_of(state);
  RingWriter writer(encoded_ring());
  std::vector<std::unique_ptr<LocalReader>> readers;
  for (std::int64_t id = 1; id <= state.range(1); ++id) {
    readers.push_back(std::make_unique<LocalReader>(writer, static_cast<std::uint64_t>(id)));
  }
  const FrameMeta meta = key_meta();
  for (auto _ : state) writer.publish(payload, meta);
  count_bytes(state);
}
BENCHMARK(publish)
    ->ArgNames({"bytes", "readers"})
    ->ArgsProduct({{64, 100'000, 1'000'000}, {0, 1, 8, 64}});

void publish_and_copy(benchmark::State& state) {
  const std::vector<std::byte> payload = payload_of(state);
  RingWriter writer(encoded_ring());
  LocalReader local(writer, 1);
  const FrameMeta meta = key_meta();
  Frame frame;
  for (auto _ : state) {
    writer.publish(payload, meta);
    if (local.copy(frame) != ReadOutcome::frame) state.SkipWithError("no frame");
    benchmark::DoNotOptimize(frame.bytes.data());
  }
  count_bytes(state);
}
BENCHMARK(publish_and_copy)->Arg(64)->Arg(100'000)->Arg(1'000'000);

// Written in place, read in place: the size must not matter.
void in_place_and_lease(benchmark::State& state) {
  RingWriter writer(encoded_ring());
  LocalReader local(writer, 1);
  const FrameMeta meta = key_meta();
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Frame frame;
  for (auto _ : state) {
    const std::span<std::byte> room = writer.reserve(bytes);
    room.front() = std::byte{1};
    writer.commit(bytes, meta);
    if (local.reader.lease_next(frame) != ReadOutcome::frame) state.SkipWithError("no frame");
    benchmark::DoNotOptimize(frame.bytes.front());
    local.reader.release(frame);
  }
}
BENCHMARK(in_place_and_lease)->Arg(64)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace framering::test

BENCHMARK_MAIN();
