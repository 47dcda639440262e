// SPDX-License-Identifier: Apache-2.0
//
// Numbers about streams and readers, as their own pages tell them. Every word is a claim: loaded
// once, passed on as it is; what is used as a count here is clamped.
#pragma once

#include "control/message.h"
#include "registry.h"

namespace framering {

void fill_stream(wire::Stream::Builder out, const Stream& stream);
// `with_ids`: for operators; else reader ids are 0, as knowing one is the claim to the reader.
void fill_stat(wire::StreamStat::Builder out, const Stream& stream, bool with_ids);

}  // namespace framering
