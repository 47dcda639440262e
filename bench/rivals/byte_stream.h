// SPDX-License-Identifier: Apache-2.0
//
// What pipes and sockets have in common: one for each reader, whose two ends lie in different
// processes, and bytes that are waited for.
#pragma once

#include <poll.h>

#include <span>
#include <vector>

#include "ring/fd.h"
#include "rival.h"

namespace framering::bench {

struct Ends {
  Fd writing;
  Fd reading;
};

// Whole frames one after the other to every reader: waits for each that does not read.
class StreamSender : public Sender {
 public:
  StreamSender(std::vector<Ends>& all, std::size_t piece) : piece_(piece) {
    for (Ends& ends : all) {
      writing_.push_back(std::move(ends.writing));
      ends.reading.reset();  // a reader's death is seen only when nobody else holds its end
    }
  }
  void publish(std::span<const std::byte> frame) override;

 private:
  std::vector<Fd> writing_;
  const std::size_t piece_;  // bytes of one call
};

class StreamReceiver : public Receiver {
 public:
  StreamReceiver(std::vector<Ends>& all, std::uint32_t number, std::size_t bytes, std::size_t piece)
      : reading_(std::move(all[number].reading)), buffer_(bytes), piece_(piece) {
    for (Ends& ends : all) {
      ends.writing.reset();
      ends.reading.reset();
    }
  }
  Taken take(std::chrono::milliseconds patience) override;

 private:
  const Fd reading_;
  std::vector<std::byte> buffer_;
  const std::size_t piece_;
};

class ByteStream : public Rival {
 public:
  ByteStream(const Terms& terms, std::vector<Ends> ends, std::size_t piece)
      : ends_(std::move(ends)), bytes_(terms.bytes), piece_(piece) {}
  std::unique_ptr<Sender> sender() override {
    return std::make_unique<StreamSender>(ends_, piece_);
  }
  std::unique_ptr<Receiver> receiver(std::uint32_t number) override {
    return std::make_unique<StreamReceiver>(ends_, number, bytes_, piece_);
  }

 private:
  std::vector<Ends> ends_;
  const std::size_t bytes_;
  const std::size_t piece_;
};

}  // namespace framering::bench
