// SPDX-License-Identifier: Apache-2.0
#include "wishes.h"

#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include "control/operator_client.h"

namespace framering::libkvm {

void Wishes::want(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  wishes_[key] = {value, true};
}

void Wishes::brought(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  wishes_[key] = {value, false};
}

void Wishes::repeat() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, wish] : wishes_) wish.waits = true;
}

void Wishes::settle(const std::string& key, const std::string& value, bool taken) {
  const std::lock_guard lock(mutex_);
  const auto wish = wishes_.find(key);
  if (wish == wishes_.end() || wish->second.value != value) return;  // a newer one came meanwhile
  if (taken) {
    wish->second.waits = false;
  } else {
    wishes_.erase(wish);
  }
}

bool Wishes::bring() {
  std::vector<std::pair<std::string, std::string>> left;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, wish] : wishes_) {
      if (wish.waits) left.emplace_back(key, wish.value);
    }
  }
  if (left.empty()) return true;
  try {
    OperatorClient broker("");
    // Asks first: once the producer has answered, a refusal is about the value.
    (void)broker.change(stream_, {});
    for (const auto& [key, value] : left) {
      bool taken = true;
      try {
        (void)broker.change(stream_, {{key, value}});
      } catch (const OperatorError& failure) {
        if (failure.kind() != OperatorError::Kind::refused) throw;
        std::fprintf(stderr, "libkvm: %s: %s\n", stream_.c_str(), failure.what());
        taken = false;
      }
      settle(key, value, taken);
    }
  } catch (const std::exception&) {
    return false;  // no broker, no producer, or one that hangs
  }
  return true;
}

}  // namespace framering::libkvm
