// SPDX-License-Identifier: Apache-2.0
//
// framering-producer: a source, its outputs, and the pipeline between them.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "options.h"
#include "output.h"
#include "pipeline.h"
#include "reload.h"
#include "source.h"
#include "sources/file_module.h"
#include "sources/kvm_mmf.h"
#include "sources/pattern.h"
#include "sources/stdin.h"
#include "sources/vendor_library.h"
#include "stop_signal.h"
#include "supervisor.h"
#include "watchdog.h"

namespace framering {
namespace {

std::uint64_t nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * 1e9);
}

std::unique_ptr<Source> make_source(const Options& options, StopSignal& stop, Watchdog& watchdog) {
  switch (options.source) {
    case SourceKind::file:
      return load_file_source(options, stop);
    case SourceKind::pipe:
      return std::make_unique<StdinSource>(options, stop);
    case SourceKind::kvm:
      return std::make_unique<KvmSource>(options, stop, watchdog);
    case SourceKind::pattern:
      break;
  }
  return std::make_unique<PatternSource>(options, stop);
}

// The supervisor's child starts anew with what the file says now, if that is right.
Options read_again(int argc, char** argv, const Options& options) {
  try {
    return parse_options(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering-producer: %s; starting as before\n", error.what());
    return options;
  }
}

void run(const Options& options, const std::function<Options()>& parse_again) {
  StopSignal stop(options.config.reloadable());
  Watchdog watchdog(stop, nanoseconds(options.hang_seconds));
  const std::unique_ptr<Source> source = make_source(options, stop, watchdog);
  std::vector<Output> outputs;
  for (WriterOptions& stream : source->streams()) {
    apply(options, stream);
    outputs.emplace_back(stream);
  }
  const std::unique_ptr<Reload> reload =
      options.config.reloadable()
          ? std::make_unique<Reload>(options.config, parse_again,
                                     *source->streams().front().settings, watchdog)
          : nullptr;
#ifdef __GLIBC__
  ::malloc_trim(0);  // what reading the command line took
#endif
  Pipeline pipeline(
      *source, outputs, stop, watchdog,
      {options.frames, nanoseconds(options.idle_seconds), nanoseconds(options.linger_seconds)});
  pipeline.run();
}

}  // namespace
}  // namespace framering

int main(int argc, char** argv) {
  using namespace framering;
  try {
    Options options = parse_options(argc, argv);
    if (options.check_library) {
      const VendorLibrary complete(options.library, options.venc_library);  // else it throws
      return 0;
    }
    if (options.supervise) {
      if (const std::optional<int> code = supervise(options.config.reloadable())) return *code;
      if (options.config.reloadable()) options = read_again(argc, argv, options);
    }
    run(options, [argc, argv] { return parse_options(argc, argv); });
    return 0;
  } catch (const HelpWanted& help) {
    std::fputs(help.what(), stdout);
    return 0;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "framering-producer: %s\nframering-producer --help says more\n",
                 error.what());
    return kExitUsage;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "framering-producer: %s\n", error.what());
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering-producer: %s\n", error.what());
    return kExitFailed;
  }
}
