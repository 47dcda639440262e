// SPDX-License-Identifier: Apache-2.0
//
// Eclipse iceoryx: loan, publish, take, with a WaitSet, as its own examples do. RouDi is started by
// services.h.
#include "rival.h"

#ifdef HAVE_ICEORYX
#include <unistd.h>

#include <cstring>

#include "iceoryx_posh/popo/untyped_publisher.hpp"
#include "iceoryx_posh/popo/untyped_subscriber.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "iceoryx_posh/runtime/posh_runtime.hpp"
#include "iceoryx_versions.hpp"
#endif

namespace framering::bench {
#ifdef HAVE_ICEORYX
namespace {

constexpr std::uint32_t kAlignment = 64;  // as our frames have it

iox::capro::ServiceDescription service_of(const Terms& terms) {
  return {"framering", "bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, terms.name)};
}

void init_runtime() {
  iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(
      iox::cxx::TruncateToCapacity, iceoryx_prefix(::getppid()) + std::to_string(::getpid())));
}

class IceoryxSender : public Sender {
 public:
  IceoryxSender(const Terms& terms, bool in_place)
      : bytes_(terms.bytes), in_place_(in_place), publisher_(service_of(terms)) {}

  std::span<std::byte> place() override {
    return in_place_ ? loan(bytes_) : std::span<std::byte>{};
  }
  void publish(std::span<const std::byte> frame) override {
    std::span<const std::byte> chunk = frame;
    if (!in_place_) {
      const std::span<std::byte> room = loan(frame.size());
      if (room.empty()) return;  // every chunk is held by somebody
      std::memcpy(room.data(), frame.data(), frame.size());
      chunk = room;
    }
    publisher_.publish(const_cast<std::byte*>(chunk.data()));  // its interface wants it so
  }

 private:
  std::span<std::byte> loan(std::size_t bytes) {
    auto chunk = publisher_.loan(static_cast<std::uint32_t>(bytes), kAlignment);
    if (chunk.has_error()) return {};
    return {static_cast<std::byte*>(chunk.value()), bytes};
  }

  const std::size_t bytes_;
  const bool in_place_;
  iox::popo::UntypedPublisher publisher_;
};

class IceoryxReceiver : public Receiver {
 public:
  IceoryxReceiver(const Terms& terms, bool in_place)
      : in_place_(in_place), buffer_(terms.bytes), subscriber_(service_of(terms), options(terms)) {
    waiting_.attachState(subscriber_, iox::popo::SubscriberState::HAS_DATA).or_else([](auto) {
      std::terminate();
    });
  }
  ~IceoryxReceiver() override { (void)IceoryxReceiver::give_back(); }
  IceoryxReceiver(const IceoryxReceiver&) = delete;
  IceoryxReceiver& operator=(const IceoryxReceiver&) = delete;

  Taken take(std::chrono::milliseconds patience) override {
    for (bool waited = false;; waited = true) {
      auto chunk = subscriber_.take();
      if (!chunk.has_error()) {
        held_ = chunk.value();
        break;
      }
      if (waited) return {};
      const auto ms = static_cast<std::uint64_t>(patience.count());
      if (waiting_.timedWait(iox::units::Duration::fromMilliseconds(ms)).empty()) return {};
    }
    at_worst_moment();
    if (in_place_) return {{static_cast<const std::byte*>(held_), buffer_.size()}, 0};
    std::memcpy(buffer_.data(), held_, buffer_.size());
    (void)give_back();
    return {buffer_, 0};
  }
  bool give_back() override {
    if (held_ != nullptr) subscriber_.release(held_);
    held_ = nullptr;
    return true;
  }

 private:
  static iox::popo::SubscriberOptions options(const Terms& terms) {
    iox::popo::SubscriberOptions options;
    options.queueCapacity = terms.kept;  // it takes 256 for more than that
    return options;
  }

  const bool in_place_;
  std::vector<std::byte> buffer_;
  iox::popo::UntypedSubscriber subscriber_;
  iox::popo::WaitSet<1> waiting_;
  const void* held_ = nullptr;
};

class Iceoryx : public Rival {
 public:
  Iceoryx(const Terms& terms, bool in_place) : terms_(terms), in_place_(in_place) {}
  std::unique_ptr<Sender> sender() override {
    init_runtime();
    return std::make_unique<IceoryxSender>(terms_, in_place_);
  }
  std::unique_ptr<Receiver> receiver(std::uint32_t) override {
    init_runtime();
    return std::make_unique<IceoryxReceiver>(terms_, in_place_);
  }

 private:
  const Terms terms_;
  const bool in_place_;
};

template <bool in_place>
std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<Iceoryx>(terms, in_place);
}

}  // namespace
#endif

std::string iceoryx_prefix(pid_t bench) {
  return "framering-bench-" + std::to_string(bench) + "-";
}

std::vector<RivalInfo> iceoryx_lanes() {
  RivalInfo copy{
      "iceoryx", "iceoryx, copy", Kind::rival, false, true, nullptr, "iceoryx libiceoryx-posh-dev",
      ""};
  RivalInfo in_place{
      "iceoryx-in-place", "iceoryx, in place", Kind::rival, true, true, nullptr, copy.package, ""};
#ifdef HAVE_ICEORYX
  const std::string version = std::string("iceoryx ") + ICEORYX_LATEST_RELEASE_VERSION;
  copy.make = make<false>;
  copy.settings = version +
                  ", RouDi; loan, memcpy, publish; WaitSet, take, memcpy, release; queue "
                  "of as many frames as our history, DISCARD_OLDEST_DATA (default)";
  in_place.make = make<true>;
  in_place.settings = version + ", RouDi; loan, publish; WaitSet, take, release; the same queue";
#endif
  return {copy, in_place};
}

}  // namespace framering::bench
