// SPDX-License-Identifier: Apache-2.0
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>

#include "control/names.h"
#include "control/operator_client.h"
#include "control/socket_path.h"
#include "doctor.h"
#include "recorders.h"
#include "table.h"

namespace framering::cli {
namespace {

constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::uint64_t kDeaf_ns = 2'500'000'000;  // a heartbeat is promised once a second
constexpr std::uint64_t kDiskLeft = 64ull << 20;
constexpr const char* kStart = "systemctl start framering.target, or framering-broker";

std::string user_name(uid_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : "uid " + std::to_string(uid);
}

std::string group_name(gid_t gid) {
  const group* entry = ::getgrgid(gid);
  return entry != nullptr ? entry->gr_name : "gid " + std::to_string(gid);
}

std::string owner_of(const struct stat& info) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", info.st_mode & 0777);
  return std::string(mode) + " " + user_name(info.st_uid) + ":" + group_name(info.st_gid);
}

// True: somebody listens, and this user may talk to him.
bool check_socket(Findings& findings, const std::string& dir, Role role) {
  const std::string path = socket_path(dir, role);
  const std::string subject = std::string(to_string(role)) + " socket";
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    findings.fault(subject, path + ": " + std::strerror(errno),
                   std::string("no broker serves this directory: ") + kStart +
                       "; or name another with --socket-dir");
    return false;
  }
  if (role != Role::consumer && (info.st_mode & S_IWOTH) != 0) {
    findings.fault(subject,
                   path + " is " + owner_of(info) + ": any user of this machine may " +
                       (role == Role::producer ? "publish streams" : "change settings"),
                   "SocketMode=0660 in framering-" + std::string(to_string(role)) +
                       ".socket, or framering-broker --mode " + to_string(role) + "=0660");
  }
  int error = 0;
  const Fd connection = connect_seqpacket(path, error);
  if (connection.valid() || error == EAGAIN) {
    findings.good(subject,
                  path + " is " + owner_of(info) + "; " + user_name(::geteuid()) + " may connect");
    return true;
  }
  if (error == EACCES) {
    const bool by_group = (info.st_mode & S_IWGRP) != 0;
    const std::string mend =
        by_group ? "adduser " + user_name(::geteuid()) + " " + group_name(info.st_gid) +
                       ", then log in again (or restart the service)"
                 : "framering-broker --mode " + std::string(to_string(role)) + "=0660 --group " +
                       to_string(role) + "=GROUP, and put " + user_name(::geteuid()) +
                       " into that group";
    const std::string found =
        path + " is " + owner_of(info) + ": " + user_name(::geteuid()) + " may not connect";
    // Not everybody is meant to be a producer or an operator.
    if (role == Role::consumer) {
      findings.fault(subject, found, mend);
    } else {
      findings.note(subject, found, "if that is wanted: " + mend);
    }
    return false;
  }
  findings.fault(
      subject,
      path + ": nobody listens (" + std::strerror(error) + "): a broker that was killed left it",
      std::string("start it again, which replaces the socket: ") + kStart);
  return false;
}

// 0: it is not known to this user.
std::uint32_t broker_pid(const std::string& socket_dir) {
  std::ifstream lock(socket_dir + "/broker.lock");
  std::uint32_t pid = 0;
  lock >> pid;
  return pid;
}

bool is_stopped(std::uint32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t end = text.rfind(')');
  return end != std::string::npos && text.size() > end + 2 && text[end + 2] == 'T';
}

// Of the broker that runs, which may be older than the file that was installed since: as its own
// program says it. It is read, not run: whoever owns the directory says which process it is.
std::string broker_version(std::uint32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/exe", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const std::string mark = "framering-broker ";
  for (std::size_t at = bytes.find(mark); at != std::string::npos; at = bytes.find(mark, at + 1)) {
    const char* const version = bytes.c_str() + at + mark.size();
    if (*version >= '0' && *version <= '9') return version;
  }
  return "";
}

void check_broker_version(Findings& findings, std::uint32_t pid) {
  const std::string version = pid == 0 ? "" : broker_version(pid);
  if (version.empty() || version == FRAMERING_VERSION) return;
  findings.fault("broker",
                 "the one that runs (pid " + std::to_string(pid) + ") is " + version +
                     ", this tool is " + FRAMERING_VERSION,
                 "systemctl restart framering-broker: frames go on meanwhile");
}

void check_program(Findings& findings, const StreamInfo& stream) {
  const std::string mine = "framering-producer ";
  if (!stream.program.starts_with(mine) || stream.program == mine + FRAMERING_VERSION) return;
  findings.note(
      stream.name, "its producer is " + stream.program + ", this tool is " + FRAMERING_VERSION,
      "restart it, so that all run what is installed: systemctl restart framering.target");
}

void check_stream(Findings& findings, const StreamStat& stat) {
  const StreamInfo& stream = stat.stream;
  const std::string state = to_string(stream.state);
  const std::uint64_t silent_ns =
      stat.taken_ns > stream.heartbeat_ns ? stat.taken_ns - stream.heartbeat_ns : 0;
  check_program(findings, stream);
  const std::string pid = std::to_string(stream.producer_pid);
  if (stream.state == SourceState::live && silent_ns > kDeaf_ns) {
    const bool stopped = is_stopped(stream.producer_pid);
    return findings.fault(
        stream.name,
        "says that it is live, but its producer (pid " + pid + ") has given no sign of life for " +
            seconds_text(static_cast<double>(silent_ns) / 1e9) + (stopped ? ": it is stopped" : ""),
        (stopped ? "kill -CONT " + pid
                 : "systemctl restart the framering-producer@ of it (kill " + pid + ")") +
            "; its log says what it was doing");
  }
  switch (stream.state) {
    case SourceState::encoder_error:
      return findings.fault(stream.name, "the encoder fails",
                            "see the log of its producer (pid " + pid +
                                "); restart it, and if that does not help the device");
    case SourceState::frame_too_large:
      return findings.fault(stream.name,
                            "its key frames are larger than the ring takes (" +
                                bytes_text(stream.max_frame_bytes) + ")",
                            "a larger --history for its producer, or less --quality");
    case SourceState::no_signal:
      return findings.note(stream.name, "no signal",
                           "look at the cable, and whether the source is on");
    case SourceState::unsupported_resolution:
      return findings.note(stream.name, "the source has a resolution that the capture refuses",
                           "set another one there, such as 1920x1080");
    default:
      findings.good(stream.name, state + ", " + std::to_string(stream.head) + " frames, " +
                                     std::to_string(stat.readers.size()) + " readers");
  }
}

void check_recorder(Findings& findings, const Recorder& recorder) {
  const nlohmann::ordered_json& status = recorder.status;
  const std::string output = status.value("output", "");
  const std::string subject = "recorder of " + status.value("stream", "");
  const std::string complaint = status.value("complaint", "");
  const std::string mend =
      "make room in " + output + ", or let it do so: --max-bytes, --max-age or --min-free";
  if (!complaint.empty()) return findings.fault(subject, complaint, mend);
  struct statvfs disk {};
  if (::statvfs(output.c_str(), &disk) != 0) return findings.good(subject, "writes to " + output);
  const std::uint64_t left = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (left < kDiskLeft) {
    return findings.fault(subject, "only " + bytes_text(left) + " left in " + output, mend);
  }
  findings.good(subject, "writes to " + output + ", where " + bytes_text(left) + " are left");
}

}  // namespace

bool check_sockets(Findings& findings, const std::string& socket_dir) {
  bool any = false;
  for (const Role role : kRoles) {
    any = check_socket(findings, socket_dir, role) || any;
    if (!any && role == Role::producer && ::access(socket_dir.c_str(), F_OK) != 0) return false;
  }
  return any;
}

void check_broker(Findings& findings, const std::string& socket_dir) {
  try {
    OperatorClient client(socket_dir, kPatience);
    const std::vector<StreamInfo> streams = client.list();
    findings.good("broker", "answers; serves " + std::to_string(streams.size()) + " streams");
    check_broker_version(findings, broker_pid(socket_dir));
    if (streams.empty()) {
      findings.note("streams", "there are none",
                    "start a producer: systemctl start framering-producer@NAME, or "
                    "framering-producer; if one runs, its log says why it is refused");
    }
    for (const StreamInfo& stream : streams) {
      check_stream(findings, client.stat(stream.name));
      for (const Recorder& recorder : find_recorders(socket_dir, stream.name)) {
        check_recorder(findings, recorder);
      }
    }
  } catch (const OperatorError& error) {
    const bool deaf = error.kind() == OperatorError::Kind::timed_out;
    const std::uint32_t pid = broker_pid(socket_dir);
    const bool stopped = pid != 0 && is_stopped(pid);
    findings.fault("broker", std::string(error.what()) + (stopped ? " (it is stopped)" : ""),
                   stopped ? "kill -CONT " + std::to_string(pid)
                   : deaf  ? "systemctl restart framering-broker: frames go on meanwhile"
                           : kStart);
  }
}

}  // namespace framering::cli
