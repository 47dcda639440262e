// SPDX-License-Identifier: Apache-2.0
//
// libavformat and the libraries behind it cost 5 MiB of private memory only by being linked. So the
// file source is a module of its own, loaded when it is asked for.
#pragma once

#include <memory>

#include "options.h"
#include "source.h"
#include "stop_signal.h"

namespace framering {

inline constexpr const char* kFileModule = "framering-file-source.so";
inline constexpr const char* kFileModuleEntry = "framering_make_file_source";
// What the module exports under that name. May throw std::runtime_error naming the file.
using MakeFileSource = Source* (*)(const Options& options, StopSignal& stop);

// Throws std::runtime_error when the module is not there, or what opening the file throws.
[[nodiscard]] std::unique_ptr<Source> load_file_source(const Options& options, StopSignal& stop);

}  // namespace framering
