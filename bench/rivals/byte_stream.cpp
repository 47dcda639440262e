// SPDX-License-Identifier: Apache-2.0
#include "byte_stream.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace framering::bench {

void StreamSender::publish(std::span<const std::byte> frame) {
  ::signal(SIGPIPE, SIG_IGN);
  for (Fd& end : writing_) {
    for (std::size_t sent = 0; end && sent < frame.size();) {
      const ssize_t now =
          ::write(end.get(), frame.data() + sent, std::min(piece_, frame.size() - sent));
      if (now > 0) {
        sent += static_cast<std::size_t>(now);
      } else if (errno != EINTR) {
        end.reset();  // it is gone
      }
    }
  }
}

Taken StreamReceiver::take(std::chrono::milliseconds patience) {
  pollfd readable{reading_.get(), POLLIN, 0};
  if (::poll(&readable, 1, static_cast<int>(patience.count())) <= 0) return {};
  for (std::size_t got = 0; got < buffer_.size();) {
    const ssize_t now =
        ::read(reading_.get(), buffer_.data() + got, std::min(piece_, buffer_.size() - got));
    if (now > 0) {
      got += static_cast<std::size_t>(now);
      at_worst_moment();
    } else if (now == 0 || errno != EINTR) {
      ::usleep(static_cast<useconds_t>(std::chrono::microseconds(patience).count()));
      return {};  // the publisher is gone
    }
  }
  return {buffer_, 0};
}

}  // namespace framering::bench
