// SPDX-License-Identifier: Apache-2.0
//
// A Unix datagram socket that takes one command a datagram and answers "ok" or "error: ..." to
// senders that have an address.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace kvm_standin {

class ControlSocket {
 public:
  // Gets a command, returns a complaint or nothing. Called on the socket's own thread.
  using Handler = std::function<std::string(std::string_view)>;

  // Replaces a socket that an earlier life left at the path. Throws std::system_error.
  ControlSocket(std::string path, Handler handler);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  void run();
  void answer_one();

  const std::string path_;
  const Handler handler_;
  int socket_fd_ = -1;
  int stop_fd_ = -1;  // eventfd
  std::thread thread_;
};

}  // namespace kvm_standin
