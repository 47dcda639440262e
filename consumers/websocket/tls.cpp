// SPDX-License-Identifier: Apache-2.0
#include "tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "access_policy.h"

namespace framering::websocket {

namespace {

namespace ssl = boost::asio::ssl;

constexpr long kValidSeconds = 397L * 24 * 3600;  // what browsers accept at most
constexpr long kRenewSeconds = 30L * 24 * 3600;   // before it ends

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(FILE* file) const { static_cast<void>(std::fclose(file)); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

[[noreturn]] void fail(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* const why = code != 0 ? ERR_reason_error_string(code) : nullptr;
  throw std::runtime_error(what + (why != nullptr ? std::string(": ") + why : ""));
}

void demand(bool done, const char* what) {
  if (!done) fail(std::string("cannot make a certificate: ") + what);
}

// Created with this mode: at no time can others read the key.
Owned<FILE> create(const std::string& path, mode_t mode) {
  static_cast<void>(::unlink(path.c_str()));
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  Owned<FILE> file(::fdopen(fd, "w"));
  if (file == nullptr) throw std::system_error(errno, std::generic_category(), path);
  return file;
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  demand(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
         value.c_str());
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (!list.empty()) list += ",";
    list += (is_ip_address(name) ? "IP:" : "DNS:") + name;
  }
  return list;
}

Owned<X509> make_certificate(EVP_PKEY* key, const std::vector<std::string>& names) {
  Owned<X509> certificate(X509_new());
  demand(certificate != nullptr && X509_set_version(certificate.get(), 2) == 1, "memory");
  std::uint64_t serial = 0;
  demand(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1, "random");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1 | 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);  // a clock that is a little late
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
  demand(X509_set_pubkey(certificate.get(), key) == 1, "public key");
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const auto* const name = reinterpret_cast<const unsigned char*>("framering-websocket");
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0);
  demand(X509_set_issuer_name(certificate.get(), subject) == 1, "issuer");
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
  add_extension(certificate.get(), NID_subject_alt_name, alternative_names(names));
  demand(X509_sign(certificate.get(), key, EVP_sha256()) != 0, "signature");
  return certificate;
}

Owned<X509> read_certificate(const std::string& path) {
  const Owned<FILE> file(std::fopen(path.c_str(), "re"));
  return Owned<X509>(file ? PEM_read_X509(file.get(), nullptr, nullptr, nullptr) : nullptr);
}

bool lasts(X509* certificate) {
  std::time_t soon = std::time(nullptr) + kRenewSeconds;
  return X509_cmp_time(X509_get0_notAfter(certificate), &soon) > 0;
}

std::string fingerprint_of(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  demand(X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1, "fingerprint");
  std::string text;
  for (unsigned at = 0; at < size; ++at) {
    char hex[4];
    std::snprintf(hex, sizeof hex, at == 0 ? "%02X" : ":%02X", digest.at(at));
    text += hex;
  }
  return text;
}

}  // namespace

ssl::context tls_context(const std::string& cert_file, const std::string& key_file) {
  ssl::context context(ssl::context::tls_server);
  boost::system::error_code error;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                      ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context.use_certificate_chain_file(cert_file, error);
  if (error) throw std::runtime_error("certificate " + cert_file + ": " + error.message());
  context.use_private_key_file(key_file, ssl::context::pem, error);
  if (error) throw std::runtime_error("key " + key_file + ": " + error.message());
  // A viewer's idle connection gives its two buffers of 17 KB back.
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
  return context;
}

SelfSigned self_signed_certificate(const std::string& folder,
                                   const std::vector<std::string>& names) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw std::system_error(error, folder);
  SelfSigned result;
  result.cert_file = folder + "/cert.pem";
  result.key_file = folder + "/key.pem";
  Owned<X509> certificate = read_certificate(result.cert_file);
  if (certificate == nullptr || !lasts(certificate.get()) ||
      ::access(result.key_file.c_str(), R_OK) != 0) {
    result.is_new = true;
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
    demand(key != nullptr, "key");
    std::vector<std::string> all = own_names();
    all.insert(all.end(), names.begin(), names.end());
    certificate = make_certificate(key.get(), all);
    const Owned<FILE> key_file = create(result.key_file, 0600);
    demand(PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
                   1 &&
               std::fflush(key_file.get()) == 0,
           result.key_file.c_str());
    const Owned<FILE> cert_file = create(result.cert_file, 0644);
    demand(PEM_write_X509(cert_file.get(), certificate.get()) == 1 &&
               std::fflush(cert_file.get()) == 0,
           result.cert_file.c_str());
  }
  result.fingerprint = fingerprint_of(certificate.get());
  return result;
}

}  // namespace framering::websocket
