// SPDX-License-Identifier: Apache-2.0
//
// ZeroMQ, PUB to SUB over ipc://, each keeping the newest message only (ZMQ_CONFLATE).
#include "rival.h"

#ifdef HAVE_ZEROMQ
#include <zmq.h>

#include <stdexcept>
#endif

namespace framering::bench {
#ifdef HAVE_ZEROMQ
namespace {

class Socket {
 public:
  explicit Socket(int type) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, type)) {
    constexpr int on = 1;
    constexpr int off = 0;
    check(socket_ == nullptr ? -1 : 0, "zmq_socket");
    check(zmq_setsockopt(socket_, ZMQ_CONFLATE, &on, sizeof on), "ZMQ_CONFLATE");
    check(zmq_setsockopt(socket_, ZMQ_LINGER, &off, sizeof off), "ZMQ_LINGER");
  }
  ~Socket() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  static void check(int result, const char* what) {
    if (result != 0) throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
  }
  [[nodiscard]] void* get() const { return socket_; }

 private:
  void* const context_;
  void* const socket_;
};

class ZeromqSender : public Sender {
 public:
  explicit ZeromqSender(const std::string& address) : socket_(ZMQ_PUB) {
    Socket::check(zmq_bind(socket_.get(), address.c_str()), address.c_str());
  }
  void publish(std::span<const std::byte> frame) override {
    (void)zmq_send(socket_.get(), frame.data(), frame.size(), ZMQ_DONTWAIT);
  }

 private:
  const Socket socket_;
};

// A received message is memory of this process already: it is not copied once more.
class ZeromqReceiver : public Receiver {
 public:
  explicit ZeromqReceiver(const std::string& address) : socket_(ZMQ_SUB) {
    Socket::check(zmq_setsockopt(socket_.get(), ZMQ_SUBSCRIBE, "", 0), "ZMQ_SUBSCRIBE");
    Socket::check(zmq_connect(socket_.get(), address.c_str()), address.c_str());
    zmq_msg_init(&message_);
  }
  ~ZeromqReceiver() override { zmq_msg_close(&message_); }
  ZeromqReceiver(const ZeromqReceiver&) = delete;
  ZeromqReceiver& operator=(const ZeromqReceiver&) = delete;

  Taken take(std::chrono::milliseconds patience) override {
    const int ms = static_cast<int>(patience.count());
    zmq_setsockopt(socket_.get(), ZMQ_RCVTIMEO, &ms, sizeof ms);
    if (zmq_msg_recv(&message_, socket_.get(), 0) < 0) return {};
    at_worst_moment();
    return {{static_cast<const std::byte*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)}, 0};
  }

 private:
  const Socket socket_;
  zmq_msg_t message_{};
};

class Zeromq : public Rival {
 public:
  explicit Zeromq(const Terms& terms) : address_("ipc://" + terms.dir + "/" + terms.name) {}
  std::unique_ptr<Sender> sender() override { return std::make_unique<ZeromqSender>(address_); }
  std::unique_ptr<Receiver> receiver(std::uint32_t) override {
    return std::make_unique<ZeromqReceiver>(address_);
  }

 private:
  const std::string address_;
};

std::unique_ptr<Rival> make(const Terms& terms) {
  return std::make_unique<Zeromq>(terms);
}

}  // namespace
#endif

std::vector<RivalInfo> zeromq_lanes() {
  RivalInfo lane{"zeromq", "ZeroMQ PUB/SUB", Kind::rival, false, true, nullptr, "libzmq3-dev", ""};
#ifdef HAVE_ZEROMQ
  int major = 0, minor = 0, patch = 0;
  zmq_version(&major, &minor, &patch);
  lane.make = make;
  lane.settings = "libzmq " + std::to_string(major) + "." + std::to_string(minor) + "." +
                  std::to_string(patch) +
                  ", ipc://, ZMQ_CONFLATE on both sides; zmq_send; zmq_msg_recv, no further copy";
#endif
  return {lane};
}

}  // namespace framering::bench
