// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace framering::libkvm {

// Settings that callers want of the producer: brought to it now, or once there is one, and again to
// one that comes after it. The newest value of a key counts; what the producer refuses is told on
// stderr and dropped. Any thread.
class Wishes {
 public:
  explicit Wishes(std::string stream) : stream_(std::move(stream)) {}

  void want(const std::string& key, const std::string& value);
  // The producer has taken this already.
  void brought(const std::string& key, const std::string& value);
  // The producer is another one, which has heard nothing yet.
  void repeat();
  // False: something could not be brought yet. Takes 5 s for each if the producer does not answer.
  bool bring();

 private:
  struct Wish {
    std::string value;
    bool waits = true;
  };
  void settle(const std::string& key, const std::string& value, bool taken);

  const std::string stream_;
  std::mutex mutex_;
  std::map<std::string, Wish> wishes_;
};

}  // namespace framering::libkvm
