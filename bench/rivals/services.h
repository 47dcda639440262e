// SPDX-License-Identifier: Apache-2.0
//
// The daemons that some lanes need: our broker, iceoryx' RouDi.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "machine.h"
#include "rival.h"

namespace framering::bench {

class Services {
 public:
  // RouDi gets memory for chunks of up to `bytes`, as many as two lanes with such terms can hold.
  // Throws std::runtime_error when the broker does not start; without RouDi its lanes are absent.
  Services(const std::string& build_dir, const Terms& terms);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  [[nodiscard]] const std::string& dir() const noexcept { return sockets_.path(); }
  // Why this lane cannot take part here; empty: it can.
  [[nodiscard]] std::string absence(const RivalInfo& info) const;
  // Whose time the lane's frames cost as well; 0: nobody's.
  [[nodiscard]] pid_t daemon_of(const RivalInfo& info) const;

 private:
  void start_roudi(const Terms& terms);

  const SocketDir sockets_;
  const Child broker_;
  std::optional<Child> roudi_;
  std::string why_no_roudi_;
};

}  // namespace framering::bench
