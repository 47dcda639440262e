// SPDX-License-Identifier: Apache-2.0
//
// Boost.Interprocess' message_queue: one for each reader, since a message is received once.
#include <sys/mman.h>

#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <system_error>

#include "rival.h"

namespace framering::bench {
namespace {

namespace ipc = boost::interprocess;

constexpr std::size_t kDepth = 4;  // messages

std::string name_of(const Terms& terms, std::uint32_t reader) {
  return "framering-bench-" + terms.name + "-" + std::to_string(reader);
}

class QueueSender : public Sender {
 public:
  explicit QueueSender(const Terms& terms) {
    for (std::uint32_t i = 0; i < terms.readers; ++i) {
      queues_.push_back(
          std::make_unique<ipc::message_queue>(ipc::open_only, name_of(terms, i).c_str()));
    }
  }
  void publish(std::span<const std::byte> frame) override {
    // A full queue loses the frame, for this reader only.
    for (const auto& queue : queues_) (void)queue->try_send(frame.data(), frame.size(), 0);
  }

 private:
  std::vector<std::unique_ptr<ipc::message_queue>> queues_;
};

class QueueReceiver : public Receiver {
 public:
  QueueReceiver(const Terms& terms, std::uint32_t number)
      : queue_(ipc::open_only, name_of(terms, number).c_str()), bytes_(terms.bytes) {
    // Pages of its own: one of them is where the copy may be stopped.
    void* const memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    buffer_ = static_cast<std::byte*>(memory);
  }
  ~QueueReceiver() override { ::munmap(buffer_, bytes_); }
  QueueReceiver(const QueueReceiver&) = delete;
  QueueReceiver& operator=(const QueueReceiver&) = delete;

  Taken take(std::chrono::milliseconds patience) override {
    const auto until = boost::posix_time::microsec_clock::universal_time() +
                       boost::posix_time::milliseconds(patience.count());
    stop_inside({buffer_, bytes_});  // it copies with the queue's mutex held
    ipc::message_queue::size_type size = 0;
    unsigned priority = 0;
    if (!queue_.timed_receive(buffer_, bytes_, size, priority, until)) return {};
    return {{buffer_, size}, 0};
  }

 private:
  ipc::message_queue queue_;
  const std::size_t bytes_;
  std::byte* buffer_ = nullptr;
};

class BoostQueue : public Rival {
 public:
  explicit BoostQueue(const Terms& terms) : terms_(terms) {
    for (std::uint32_t i = 0; i < terms.readers; ++i) {
      ipc::message_queue(ipc::create_only, name_of(terms, i).c_str(), kDepth, terms.bytes);
    }
  }
  ~BoostQueue() override {
    for (std::uint32_t i = 0; i < terms_.readers; ++i) {
      ipc::message_queue::remove(name_of(terms_, i).c_str());
    }
  }
  BoostQueue(const BoostQueue&) = delete;
  BoostQueue& operator=(const BoostQueue&) = delete;

  std::unique_ptr<Sender> sender() override { return std::make_unique<QueueSender>(terms_); }
  std::unique_ptr<Receiver> receiver(std::uint32_t number) override {
    return std::make_unique<QueueReceiver>(terms_, number);
  }

 private:
  const Terms terms_;
};

std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<BoostQueue>(terms);
}

}  // namespace

std::vector<RivalInfo> boost_queue_lanes() {
  return {{"boost-queue", "Boost message_queue", Kind::rival, false, true, make, "",
           "Boost " + std::to_string(BOOST_VERSION / 100000) + "." +
               std::to_string(BOOST_VERSION / 100 % 1000) +
               ", one queue of 4 messages for each reader; try_send, timed_receive"}};
}

}  // namespace framering::bench
