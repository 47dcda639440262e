// SPDX-License-Identifier: Apache-2.0
//
// What `framering doctor` looks at: each check reports what it found and, if that is not as it
// should be, what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace framering::cli {

struct Finding {
  enum class Grade : std::uint8_t {
    good,
    note,   // it works, but not as well as it could; or something that is no fault of this machine
    fault,  // something does not work
  };
  Grade grade = Grade::good;
  std::string subject;  // "memory", "operator socket"
  std::string found;
  std::string mend;  // empty: nothing to do
};

class Findings {
 public:
  void good(const std::string& subject, const std::string& found);
  void note(const std::string& subject, const std::string& found, const std::string& mend);
  void fault(const std::string& subject, const std::string& found, const std::string& mend);
  [[nodiscard]] const std::vector<Finding>& all() const noexcept { return all_; }
  [[nodiscard]] bool healthy() const noexcept;  // no fault

 private:
  std::vector<Finding> all_;
};

// doctor_machine.cpp: kernel, its limits, memory, clock.
void check_kernel(Findings& findings);
void check_limits(Findings& findings, const std::string& socket_dir);
void check_memory(Findings& findings);
void check_clock(Findings& findings);

// doctor_broker.cpp: sockets, broker, streams, recorders. False: there is no broker to ask.
bool check_sockets(Findings& findings, const std::string& socket_dir);
void check_broker(Findings& findings, const std::string& socket_dir);

// doctor_programs.cpp: asks the other programs about the configuration file and the vendor library.
// `file`, `library` and `venc_library` empty: none.
void check_config(Findings& findings, const std::string& file);
void check_library(Findings& findings, const std::string& library, const std::string& venc_library);

}  // namespace framering::cli
