// SPDX-License-Identifier: Apache-2.0
#include "sources/file_module.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace framering {

std::unique_ptr<Source> load_file_source(const Options& options, StopSignal& stop) {
  // Found through this program's RUNPATH: beside it in a build tree, else where it is installed.
  // Never closed: the source's code must outlive the source.
  void* module = ::dlopen(kFileModule, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    throw std::runtime_error(std::string("--source file: ") + ::dlerror() +
                             " (it comes with framering-producer when FFmpeg's libraries are there "
                             "at build time)");
  }
  void* entry = ::dlsym(module, kFileModuleEntry);
  if (entry == nullptr) throw std::runtime_error(std::string("--source file: ") + ::dlerror());
  return std::unique_ptr<Source>(reinterpret_cast<MakeFileSource>(entry)(options, stop));
}

}  // namespace framering
