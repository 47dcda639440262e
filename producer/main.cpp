// SPDX-License-Identifier: Apache-2.0
//
// framering-producer: a source, its outputs, and the pipeline between them.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "options.h"
#include "output.h"
#include "pipeline.h"
#include "source.h"
#include "sources/file_module.h"
#include "sources/kvm_mmf.h"
#include "sources/pattern.h"
#include "sources/stdin.h"
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

void run(const Options& options) {
  StopSignal stop;
  Watchdog watchdog(stop, nanoseconds(options.hang_seconds));
  const std::unique_ptr<Source> source = make_source(options, stop, watchdog);
  std::vector<Output> outputs;
  for (WriterOptions& stream : source->streams()) {
    apply(options, stream);
    outputs.emplace_back(stream);
  }
  ::malloc_trim(0);  // what reading the command line took
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
    const Options options = parse_options(argc, argv);
    if (options.supervise) {
      if (const std::optional<int> code = supervise()) return *code;
    }
    run(options);
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
