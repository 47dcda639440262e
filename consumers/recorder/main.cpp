// SPDX-License-Identifier: Apache-2.0
//
// framering-recorder: three threads. This one reads the ring and muxes (Recorder), one writes
// (Storage), one answers questions (ControlServer).
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>

#include "control/ready.h"
#include "control/signal_fd.h"
#include "control/socket_path.h"
#include "control_server.h"
#include "options.h"
#include "recorder.h"
#include "status.h"

using namespace framering;
using namespace framering::recorder;

namespace {

StatusValues first_values(const Options& options) {
  StatusValues values;
  values.stream = options.stream;
  values.output = options.storage.folder;
  values.mode = options.by_trigger() ? "on-trigger" : "continuous";
  return values;
}

// Where `framering trigger` and `framering stat` look (consumers/cli/recorders.cpp).
std::string control_path(const Options& options) {
  std::string stream = options.stream;
  std::ranges::replace(stream, '/', '-');
  return resolve_socket_dir(options.socket_dir) + "/recorder." + stream + "." +
         std::to_string(::getpid()) + ".sock";
}

void open_control(ControlServer& server, const Options& options) {
  const std::string path = control_path(options);
  (void)ensure_socket_dir(resolve_socket_dir(options.socket_dir));  // may well be somebody else's
  try {
    server.listen_local(path);
  } catch (const std::exception& error) {
    if (options.by_operator) throw;
    std::fprintf(stderr, "framering-recorder: %s; `framering stat` will not show it\n",
                 error.what());
  }
  if (!options.listen.empty()) {
    const std::string address = server.listen_http(options.listen);
    std::fprintf(stderr, "framering-recorder: http://%s/status\n", address.c_str());
  }
  server.start();
}

Reply answer(Recorder& recorder, const Options& options, const Status& status,
             std::string_view method, std::string_view path, Entrance entrance) {
  if (method == "GET" && path == "/status") return {200, to_json(status.values())};
  if (method == "GET" && path == "/metrics") {
    return {200, to_metrics(status.values()), "text/plain; version=0.0.4"};
  }
  if (method != "POST" || path != "/trigger") return {404, "{\"error\":\"no such address\"}\n"};
  if (!options.by_trigger()) {
    return {409, "{\"error\":\"it records all the time: it was started without --trigger\"}\n"};
  }
  if (!(entrance == Entrance::http ? options.by_http : options.by_operator)) {
    return {403, "{\"error\":\"it was started without --trigger " +
                     std::string(entrance == Entrance::http ? "http" : "operator") + "\"}\n"};
  }
  recorder.trigger();
  return {202, "{\"triggered\":true}\n"};
}

std::optional<Retention> reload(ConfigValues& running, int argc, char** argv) {
  int ignored = 0;
  const std::optional<Options> fresh = parse_options(argc, argv, ignored);
  if (!fresh) {
    std::fputs("framering-recorder: the configuration is not right; going on as before\n", stderr);
    return std::nullopt;
  }
  std::fprintf(stderr, "framering-recorder: %s\n",
               running.take(fresh->config, {"max-bytes", "max-age", "min-free"}).c_str());
  return fresh->storage.retention;
}

}  // namespace

int main(int argc, char** argv) try {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  const Fd signals = make_signal_fd({SIGINT, SIGTERM, SIGUSR1}, options->config.reloadable());
  Status status(first_values(*options));
  Recorder recorder(*options, signals.get(), status);
  ConfigValues config = options->config;
  recorder.when_hung_up([&] { return reload(config, argc, argv); });
  ControlServer server([&](std::string_view method, std::string_view path, Entrance entrance) {
    return answer(recorder, *options, status, method, path, entrance);
  });
  open_control(server, *options);
  announce_ready("framering-recorder",
                 options->by_trigger()
                     ? "waiting for triggers of " + options->stream
                     : "recording " + options->stream + " to " + options->storage.folder);
  if (recorder.run()) return 0;
  std::fputs("framering-recorder: the disk did not take everything in time\n", stderr);
  ::_exit(1);  // the thread that writes may hang in the kernel: it cannot be waited for
} catch (const framering::recorder::Refused& refusal) {
  std::fprintf(stderr, "framering-recorder: %s\n", refusal.what());
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "framering-recorder: %s\n", error.what());
  return 1;
}
