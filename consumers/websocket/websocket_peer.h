// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <memory>
#include <span>
#include <string>

#include "message_head.h"
#include "peer_socket.h"
#include "viewer_log.h"
#include "write_watchdog.h"

namespace framering::websocket {

using Request = boost::beast::http::request<boost::beast::http::empty_body>;

// What all our WebSocket sessions share: accept, read small messages, ping, one write at a time
// with a time limit, close once. A session derives from it and is owned by its pending operations.
//
// Beast does all of the protocol but the sending of messages. Its way there allocates, and goes
// through the event loop twice for each frame of each viewer; ours is one system call.
class WebSocketPeer : public std::enable_shared_from_this<WebSocketPeer> {
 public:
  virtual ~WebSocketPeer() = default;
  void run(const Request& request);

 protected:
  WebSocketPeer(Connection connection, std::unique_ptr<ViewerLog> log);

  virtual void on_open() = 0;
  virtual void on_message(std::span<const std::byte> message, bool binary) = 0;
  virtual void on_writable() = 0;  // a write has ended: the next may begin
  virtual void on_closed() = 0;    // once; the session must let go of whatever calls it

  // Sends one message: `head`, then `body`. Never while writing(). It is often done at once; else
  // this is writing() from here to on_writable, and both must stay as they are until that or
  // on_closed.
  void write(MessageKind kind, std::span<const std::byte> head, std::span<const std::byte> body);
  [[nodiscard]] PeerSocket::executor_type executor() { return socket_.get_executor(); }
  [[nodiscard]] bool writing() const noexcept { return writing_; }
  [[nodiscard]] bool open() const noexcept { return open_; }

  // Says why, then closes; may be called from anywhere, also while writing.
  void close(boost::beast::websocket::close_code code, const std::string& reason);

  // The same, as this process ends: whoever wants to may come back to the next one.
  void go_away() { close(boost::beast::websocket::close_code::going_away, "this server ends"); }

  [[nodiscard]] ViewerLog& log() noexcept { return *log_; }

 private:
  using Clock = boost::asio::steady_timer::clock_type;

  void accepted(boost::system::error_code error);
  void read_failed(boost::system::error_code error);
  void read();
  void written(boost::system::error_code error);
  void ping_later();
  void abandon();

  boost::beast::websocket::stream<PeerSocket, false> socket_;  // no compression
  ConnectionTicket ticket_;
  const std::unique_ptr<ViewerLog> log_;
  Request request_;  // kept while accepting
  boost::beast::flat_buffer received_;
  boost::asio::steady_timer ping_timer_;
  Clock::time_point heard_;  // when the client last sent anything
  WriteWatchdog watchdog_;
  MessageHead message_head_;  // being written
  bool writing_ = false;
  bool open_ = false;
  bool abandoned_ = false;
};

}  // namespace framering::websocket
