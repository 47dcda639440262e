// SPDX-License-Identifier: Apache-2.0
#include "sources/vendor_library.h"

#include <dlfcn.h>

#include <cstdio>
#include <stdexcept>

namespace framering {
namespace {

// Collects what is missing, so that one look at the error tells all of it.
class Symbols {
 public:
  explicit Symbols(void* library) : library_(library) {}

  template <typename Function>
  void load(Function& into, const char* symbol) {
    into = reinterpret_cast<Function>(::dlsym(library_, symbol));
    if (into == nullptr) missing_ += (missing_.empty() ? "" : ", ") + std::string(symbol);
  }
  template <typename Function>
  void load_if_there(Function& into, const char* symbol) {
    into = reinterpret_cast<Function>(::dlsym(library_, symbol));
  }
  [[nodiscard]] const std::string& missing() const noexcept { return missing_; }

 private:
  void* library_;
  std::string missing_;
};

// Never closed again: the vendor's threads would go on without their code.
void* open_library(const std::string& path) {
  // A bare name would be looked for in the system's folders.
  const std::string name = path.find('/') == std::string::npos ? "./" + path : path;
  return ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
}

std::string beside(const std::string& path, const char* name) {
  const std::size_t slash = path.rfind('/');
  return (slash == std::string::npos ? std::string("./") : path.substr(0, slash + 1)) + name;
}

}  // namespace

VendorLibrary::VendorLibrary(const std::string& path, const std::string& venc_path) {
  void* library = open_library(path);
  if (library == nullptr) throw std::runtime_error(std::string("--library: ") + ::dlerror());
  Symbols symbols(library);
  symbols.load(init, "_Z8mmf_initv");
  symbols.load(vi_init, "_Z11mmf_vi_initv");
  symbols.load(add_vi_channel, "_Z18mmf_add_vi_channeliiii");
  symbols.load_if_there(del_vi_channel, "_Z18mmf_del_vi_channeli");
  symbols.load(vi_frame_pop, "_Z16mmf_vi_frame_popiPPvPiS1_S1_S1_");
  symbols.load(vi_frame_free, "_Z17mmf_vi_frame_freei");
  symbols.load(vi_frame_release, "_Z20mmf_vi_frame_releasei");
  symbols.load(add_venc_channel, "_Z20mmf_add_venc_channeliP14mmf_venc_cfg_t");
  symbols.load(venc_push, "_Z13mmf_venc_pushiPhiii");
  symbols.load(venc_pop, "_Z12mmf_venc_popiP12mmf_stream_t");
  symbols.load(venc_free, "_Z13mmf_venc_freei");
  symbols.load(del_venc_channel, "_Z20mmf_del_venc_channeli");
  symbols.load(jpg_init, "_Z16mmf_enc_jpg_initiiiii");
  symbols.load(jpg_push, "_Z29mmf_enc_jpg_push_with_qualityiPhiiii");
  symbols.load(jpg_pop, "_Z15mmf_enc_jpg_popiPPhPi");
  symbols.load(jpg_free, "_Z16mmf_enc_jpg_freei");
  symbols.load(jpg_deinit, "_Z18mmf_enc_jpg_deiniti");
  symbols.load(try_deinit, "_Z14mmf_try_deinitb");
  if (!symbols.missing().empty()) {
    throw std::runtime_error("--library " + path +
                             " is no libkvm_mmf.so that this program knows: it lacks " +
                             symbols.missing());
  }

  const std::string venc = venc_path.empty() ? beside(path, "libvenc.so") : venc_path;
  void* encoder = open_library(venc);
  if (encoder == nullptr && !venc_path.empty()) {
    throw std::runtime_error(std::string("--venc-library: ") + ::dlerror());
  }
  if (encoder != nullptr) Symbols(encoder).load_if_there(request_idr, "CVI_VENC_RequestIDR");
  if (request_idr == nullptr) {
    std::fprintf(stderr,
                 "framering-producer: %s has no CVI_VENC_RequestIDR: each key frame on demand will "
                 "rebuild the encoder channel (--venc-library names another)\n",
                 venc.c_str());
  }
}

}  // namespace framering
