// SPDX-License-Identifier: Apache-2.0
#include "watcher.h"

#include <chrono>
#include <exception>

#include "ring/clock.h"

namespace framering::exporter {
namespace {

constexpr std::chrono::milliseconds kPatience{2000};  // Prometheus gives up after ten seconds
// Names of streams come from producers: one that makes up new ones must not fill the memory.
constexpr std::size_t kMostLives = 256;

}  // namespace

Watcher::Life& Watcher::follow(const StreamInfo& stream) {
  if (lives_.size() >= kMostLives && !lives_.contains(stream.name)) lives_.clear();
  Life& life = lives_[stream.name];
  if (life.generation != stream.generation) {
    life.generation = stream.generation;
    ++life.generations;
    life.keys = {};
  }
  life.keys.look(stream.newest_key, stream.head);
  return life;
}

void Watcher::glance() {
  try {
    OperatorClient client(socket_dir_, kPatience);
    for (const StreamInfo& stream : client.list()) follow(stream);
  } catch (const std::exception&) {
    return;  // the next look says it
  }
}

Look Watcher::look() {
  Look look;
  const std::uint64_t began_ns = monotonic_ns();
  try {
    OperatorClient client(socket_dir_, kPatience);
    for (const StreamInfo& stream : client.list()) {
      const Life& life = follow(stream);
      try {
        look.streams.push_back({client.stat(stream.name), life.generations, life.keys.frames()});
      } catch (const OperatorError& error) {
        if (error.kind() != OperatorError::Kind::refused) throw;  // gone since it was listed
      }
    }
    look.up = true;
  } catch (const std::exception& error) {
    look.trouble = error.what();
  }
  look.seconds = static_cast<double>(monotonic_ns() - began_ns) / 1e9;
  return look;
}

}  // namespace framering::exporter
