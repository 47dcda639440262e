// SPDX-License-Identifier: Apache-2.0
#include "waiting.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "control/names.h"
#include "control/socket_path.h"
#include "exit_codes.h"
#include "table.h"

namespace framering::cli {

namespace {

std::string consumer_socket(const std::string& socket_dir) {
  return socket_path(resolve_socket_dir(socket_dir), Role::consumer);
}

// There is a socket, but who may not write to it may not connect to it.
bool shut_out(const std::string& path) {
  return ::access(path.c_str(), W_OK) != 0 && errno == EACCES;
}

}  // namespace

std::string Waiting::reason(const StreamReader& reader) const {
  switch (reader.link()) {
    case Link::no_broker: {
      const std::string path = consumer_socket(socket_dir_);
      if (shut_out(path)) return "you may not open " + path + ": be in its group (see ls -l)";
      return "no broker at " + path + ": start framering-broker, or give --socket-dir";
    }
    case Link::no_stream:
      return "no stream '" + printable(stream_) + "' yet; `framering ls` shows those there are";
    case Link::attached:
      break;
  }
  return printable(stream_) + " is " + to_string(reader.state());
}

void Waiting::tell(const StreamReader& reader) {
  if (reader.link() == Link::attached && reader.state() == SourceState::live) {
    told_.clear();
    return;
  }
  const std::string text = reason(reader);
  if (text == told_) return;
  std::fprintf(stderr, "framering: waiting: %s\n", text.c_str());
  told_ = text;
}

void Waiting::give_up(const StreamReader& reader, double timeout_s) const {
  ExitCode code = ExitCode::timed_out;
  if (reader.link() == Link::no_broker) {
    code = shut_out(consumer_socket(socket_dir_)) ? ExitCode::refused : ExitCode::no_broker;
  }
  if (reader.link() == Link::no_stream) code = ExitCode::no_stream;
  throw CommandError(code, reason(reader) + " (no frame for " + seconds_text(timeout_s) + ")");
}

}  // namespace framering::cli
