// SPDX-License-Identifier: Apache-2.0
#include "status.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

namespace framering::recorder {

std::string to_json(const StatusValues& values) {
  const nlohmann::ordered_json json = {{"pid", ::getpid()},
                                       {"stream", values.stream},
                                       {"output", values.output},
                                       {"mode", values.mode},
                                       {"recording", values.recording},
                                       {"file", values.file},
                                       {"complaint", values.complaint},
                                       {"frames", values.frames},
                                       {"bytes", values.bytes},
                                       {"gaps", values.gaps},
                                       {"frames_lost", values.frames_lost},
                                       {"files", values.files},
                                       {"files_deleted", values.files_deleted},
                                       {"files_kept", values.files_kept},
                                       {"bytes_kept", values.bytes_kept},
                                       {"disk_errors", values.disk_errors},
                                       {"waiting_bytes", values.waiting_bytes},
                                       {"slowest_write_seconds", values.slowest_write_s},
                                       {"triggers", values.triggers}};
  using Replace = nlohmann::ordered_json::error_handler_t;
  return json.dump(-1, ' ', false, Replace::replace) + "\n";
}

std::string to_metrics(const StatusValues& values) {
  std::string text;
  // A stream's name has no character that would need an escape.
  const std::string label = "{stream=\"" + values.stream + "\"} ";
  const auto add = [&](const std::string& name, const char* type, const char* help, double value) {
    char number[32];
    std::snprintf(number, sizeof number, "%.17g", value);
    const std::string full = "framering_recorder_" + name;
    text += "# HELP " + full + " " + help + "\n# TYPE " + full + " " + type + "\n";
    text += full + label + number + "\n";
  };
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    add(name, "counter", help, static_cast<double>(value));
  };
  const auto gauge = [&](const char* name, const char* help, double value) {
    add(name, "gauge", help, value);
  };
  gauge("recording", "1 while a file is open.", values.recording ? 1 : 0);
  gauge("disk_ok", "0 while nothing can be written.", values.complaint.empty() ? 1 : 0);
  counter("frames_total", "Given to files.", values.frames);
  counter("bytes_total", "Written.", values.bytes);
  counter("gaps_total", "Times that frames were lost.", values.gaps);
  counter("frames_lost_total", "Frames that are in no file.", values.frames_lost);
  counter("files_total", "Completed.", values.files);
  counter("files_deleted_total", "By retention.", values.files_deleted);
  gauge("files_kept", "In the folder.", static_cast<double>(values.files_kept));
  gauge("bytes_kept", "In the folder.", static_cast<double>(values.bytes_kept));
  counter("disk_errors_total", "Failed writes, retries included.", values.disk_errors);
  gauge("waiting_bytes", "For the disk.", static_cast<double>(values.waiting_bytes));
  gauge("slowest_write_seconds", "Since the start.", values.slowest_write_s);
  counter("triggers_total", "Taken.", values.triggers);
  return text;
}

}  // namespace framering::recorder
