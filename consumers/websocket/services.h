// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "access_policy.h"
#include "admission.h"
#include "counters.h"
#include "stream_directory.h"
#include "stream_hub.h"
#include "ustreamer.h"

namespace framering::websocket {

// What a session may use. All of it outlives the sessions.
struct Services {
  StreamHub& hub;
  StreamDirectory& directory;
  Admission& admission;
  const AccessPolicy& access;
  Counters& counters;
  UstreamerClients& ustreamer;
  std::string_view whep;  // where a consumer speaks WHEP, for the page; empty: not known
};

}  // namespace framering::websocket
