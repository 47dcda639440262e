// SPDX-License-Identifier: Apache-2.0
//
// Each program knows best what it accepts, so it is asked.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "doctor.h"
#include "ring/fd.h"
#include "toml_file.h"

namespace framering::cli {
namespace {

struct Answer {
  int code = 0;  // 127: there is no such program
  std::string text;
};

// Beside this one, else in $PATH. Its output, both of it.
Answer ask(const std::string& program, const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  Fd mine(ends[0]);
  Fd its(ends[1]);
  std::error_code ignored;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::string beside = (self / program).string();
  std::vector<char*> words = {const_cast<char*>(program.c_str())};
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    ::dup2(its.get(), STDOUT_FILENO);
    ::dup2(its.get(), STDERR_FILENO);
    ::alarm(10);  // a library that hangs while it is loaded
    ::execv(beside.c_str(), words.data());
    ::execvp(program.c_str(), words.data());
    ::_exit(127);
  }
  its.reset();
  Answer answer;
  std::array<char, 1024> part;
  for (ssize_t count = 0; (count = ::read(mine.get(), part.data(), part.size())) > 0;) {
    answer.text.append(part.data(), static_cast<std::size_t>(count));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  answer.text = answer.text.substr(0, answer.text.find('\n'));
  return answer;
}

void check_table(Findings& findings, const std::string& file, const std::string& table,
                 const std::string& instance) {
  std::vector<std::string> arguments = {"--config", file, "--config-check"};
  if (!instance.empty()) arguments.insert(arguments.end(), {"--instance", instance});
  const Answer answer = ask("framering-" + table, arguments);
  const std::string subject =
      "configuration of " + table + (instance.empty() ? "" : " " + instance);
  if (answer.code == 0) return findings.good(subject, file);
  if (answer.code == 127) {
    return findings.note(subject, "framering-" + table + " is not installed",
                         "install it, or take its table out of " + file);
  }
  findings.fault(subject, answer.text,
                 "correct that line of " + file + ", then: systemctl reload-or-restart framering-" +
                     table + (instance.empty() ? "" : "@" + instance));
}

}  // namespace

void check_config(Findings& findings, const std::string& file) {
  std::vector<ConfigName> tables;
  try {
    tables = config_tables(file);
  } catch (const std::exception& error) {
    return findings.fault("configuration", error.what(), "correct that line");
  }
  for (const ConfigName& one : tables) check_table(findings, file, one.table, one.instance);
}

void check_library(Findings& findings, const std::string& library,
                   const std::string& venc_library) {
  std::vector<std::string> arguments = {"--check-library", library};
  if (!venc_library.empty()) arguments.insert(arguments.end(), {"--venc-library", venc_library});
  const Answer answer = ask("framering-producer", arguments);
  if (answer.code == 0) return findings.good("vendor library", library + " has all that is needed");
  findings.fault("vendor library", answer.text,
                 "take the libkvm_mmf.so of a NanoKVM image that this version knows, and of this "
                 "machine's architecture; see --library");
}

}  // namespace framering::cli
