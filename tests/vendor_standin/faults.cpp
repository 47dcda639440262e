// SPDX-License-Identifier: Apache-2.0
#include "faults.h"

#include <unistd.h>

#include <csignal>
#include <sstream>

namespace kvm_standin {
namespace {

constexpr int kChangingPops = 3;  // pops that fail while the input settles
constexpr long kDefaultBigKeyBytes = 600 * 1024;
constexpr long kMaxKeyBytes = 64L * 1024 * 1024;
constexpr int kMaxEdge = 4096;  // pixels

// Nothing given: until `ok`.
std::chrono::steady_clock::time_point end_of(std::optional<double> seconds) {
  if (!seconds) return std::chrono::steady_clock::time_point::max();
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                std::chrono::duration<double>(*seconds));
}

}  // namespace

// A command cut in words; `number` is the second word if it is one.
struct Faults::Words {
  explicit Words(std::string_view command) {
    std::istringstream text{std::string(command)};
    text >> name >> argument >> flag;
    size_t used = 0;
    try {
      const double value = std::stod(argument, &used);
      if (used == argument.size() && value >= 0 && value < 1e9) number = value;
    } catch (const std::exception&) {
      // Not a number: the command decides whether it wanted one.
    }
  }

  bool bad_number() const { return !argument.empty() && !number; }

  std::string name;
  std::string argument;
  std::string flag;
  std::optional<double> number;
};

std::string Faults::apply_all(std::string_view commands) {
  std::string complaint;
  std::istringstream text{std::string(commands)};
  for (std::string command; std::getline(text, command, ';');) {
    if (command.find_first_not_of(" \t\n") == std::string::npos) continue;
    const std::string problem = apply(command);
    if (complaint.empty()) complaint = problem;
  }
  return complaint;
}

std::string Faults::apply(std::string_view command) {
  const Words words(command);
  std::string problem;
  {
    const std::scoped_lock lock(mutex_);
    problem = apply_input(words);
    if (problem.empty()) problem = apply_encoder(words);
  }
  changed_.notify_all();
  if (problem == "done") return "";
  return problem.empty() ? "unknown command: " + words.name : problem;
}

// "done", a complaint, or empty when the command is of another kind; likewise apply_encoder.
std::string Faults::apply_input(const Words& words) {
  if (words.name == "no_signal" || words.name == "unsupported_resolution") {
    if (words.bad_number()) return "seconds expected, not " + words.argument;
    (words.name == "no_signal" ? no_signal_until_ : unsupported_until_) = end_of(words.number);
    return "done";
  }
  if (words.name == "resolution") {
    int width = 0;
    int height = 0;
    char cross = 0;
    std::istringstream(words.argument) >> width >> cross >> height;
    if (cross != 'x' || width < 2 || height < 2 || width > kMaxEdge || height > kMaxEdge ||
        width % 2 != 0 || height % 2 != 0 || (!words.flag.empty() && words.flag != "scaled")) {
      return "expected: resolution WxH [scaled], both even, at most 4096";
    }
    new_resolution_ = {width, height, words.flag == "scaled"};
    changing_pops_ = kChangingPops;
    return "done";
  }
  if (words.name == "still") {
    if (words.argument != "on" && words.argument != "off") return "expected: still on|off";
    still_ = words.argument == "on";
    return "done";
  }
  return "";
}

std::string Faults::apply_encoder(const Words& words) {
  if (words.name == "encoder_error") {
    if (words.bad_number()) return "count expected, not " + words.argument;
    encoder_errors_ = static_cast<int>(words.number.value_or(1));
  } else if (words.name == "big_key" || words.name == "big_key_always") {
    const bool always = words.name == "big_key_always";
    if (words.bad_number() || (always && !words.number)) return "bytes expected";
    const long bytes = static_cast<long>(words.number.value_or(kDefaultBigKeyBytes));
    if (bytes > kMaxKeyBytes) return "at most 64 MiB";
    (always ? every_key_bytes_ : next_key_bytes_) = static_cast<size_t>(bytes);
  } else if (words.name == "hang") {
    hang_ = true;
  } else if (words.name == "crash") {
    crash_ = true;
  } else if (words.name == "ok") {
    no_signal_until_ = unsupported_until_ = {};
    changing_pops_ = encoder_errors_ = 0;
    next_key_bytes_ = every_key_bytes_ = 0;
    still_ = hang_ = crash_ = false;
  } else {
    return "";
  }
  return "done";
}

void Faults::strike() {
  bool hang = false;
  {
    const std::scoped_lock lock(mutex_);
    hang = hang_;
    if (crash_) {
      std::signal(SIGSEGV, SIG_DFL);
      std::raise(SIGSEGV);
    }
  }
  if (hang) {
    for (;;) pause();
  }
}

bool Faults::signal_lost() const {
  return Clock::now() < no_signal_until_;
}

Input Faults::input() {
  const std::scoped_lock lock(mutex_);
  if (signal_lost()) return Input::kNoSignal;
  if (Clock::now() < unsupported_until_) return Input::kUnsupported;
  return changing_pops_ > 0 ? Input::kChanging : Input::kLive;
}

std::optional<NewResolution> Faults::count_changing_pop() {
  const std::scoped_lock lock(mutex_);
  if (changing_pops_ == 0 || --changing_pops_ > 0) return std::nullopt;
  return new_resolution_;
}

bool Faults::wait_for_signal(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (signal_lost()) {
    if (Clock::now() >= deadline) return false;
    changed_.wait_until(lock, std::min(deadline, no_signal_until_));
  }
  return true;
}

bool Faults::take_encoder_error() {
  const std::scoped_lock lock(mutex_);
  if (encoder_errors_ == 0) return false;
  --encoder_errors_;
  return true;
}

size_t Faults::take_key_bytes() {
  const std::scoped_lock lock(mutex_);
  const size_t once = next_key_bytes_;
  next_key_bytes_ = 0;
  return once > 0 ? once : every_key_bytes_;
}

bool Faults::still() {
  const std::scoped_lock lock(mutex_);
  return still_;
}

}  // namespace kvm_standin
