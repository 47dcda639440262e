// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace framering {

Reader* Stream::find(std::uint64_t id) noexcept {
  const auto found = std::find_if(readers.begin(), readers.end(),
                                  [id](const auto& reader) { return reader->id == id; });
  return found == readers.end() ? nullptr : found->get();
}

void Stream::erase(std::uint64_t id) noexcept {
  std::erase_if(readers, [id](const auto& reader) { return reader->id == id; });
}

Registry::Registry(std::uint32_t max_streams, std::uint32_t max_readers)
    : max_streams_(max_streams), max_readers_(max_readers) {
  streams_.reserve(max_streams_);
}

Stream* Registry::find(const std::string& name) noexcept {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& stream) { return stream->name == name; });
  return found == streams_.end() ? nullptr : found->get();
}

Stream* Registry::of_producer(Serial producer) noexcept {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [producer](const auto& stream) {
    return stream->producer == producer;
  });
  return found == streams_.end() ? nullptr : found->get();
}

Stream* Registry::of_reader(std::uint64_t id) noexcept {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [id](const auto& stream) { return stream->find(id) != nullptr; });
  return found == streams_.end() ? nullptr : found->get();
}

Stream& Registry::add(std::unique_ptr<Stream> stream) {
  stream->readers.reserve(max_readers_);
  return *streams_.emplace_back(std::move(stream));
}

std::unique_ptr<Stream> Registry::remove(const Stream& stream) noexcept {
  const auto found = std::find_if(streams_.begin(), streams_.end(),
                                  [&](const auto& entry) { return entry.get() == &stream; });
  std::unique_ptr<Stream> removed = std::move(*found);
  streams_.erase(found);
  return removed;
}

std::uint64_t random_id() {
  std::uint64_t id = 0;
  while (id == 0) {
    if (::getrandom(&id, sizeof id, 0) != static_cast<ssize_t>(sizeof id) && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
  }
  return id;
}

}  // namespace framering
