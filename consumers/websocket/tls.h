// SPDX-License-Identifier: Apache-2.0
//
// Certificates and the context of TLS connections (OpenSSL).
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>
#include <vector>

namespace framering::websocket {

// TLS 1.2 and 1.3 with this certificate chain and key (PEM). Throws std::runtime_error that names
// the file.
[[nodiscard]] boost::asio::ssl::context tls_context(const std::string& cert_file,
                                                    const std::string& key_file);

struct SelfSigned {
  std::string cert_file, key_file;
  std::string fingerprint;  // SHA-256, "AB:CD:..."; what a person compares in the browser
  bool is_new = false;
};

// The certificate in `folder`: makes the folder, a key (readable by its owner only) and a
// certificate for the names and addresses of this host plus `names`, unless a valid one is there
// that lasts another month. Throws std::runtime_error or std::system_error that names the file.
[[nodiscard]] SelfSigned self_signed_certificate(const std::string& folder,
                                                 const std::vector<std::string>& names);

}  // namespace framering::websocket
