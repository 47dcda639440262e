// SPDX-License-Identifier: Apache-2.0
//
// Control messages as code sees them: a draft to fill in, and checks of what a peer wrote. The
// messages themselves are described in schema/control.capnp.
#pragma once

#include <capnp/message.h>
#include <control.capnp.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace framering {

inline constexpr std::size_t kMaxMessageBytes = wire::MAX_MESSAGE_BYTES;
inline constexpr std::size_t kMaxDescriptors = wire::MAX_DESCRIPTORS;
inline constexpr std::size_t kMaxNameBytes = wire::MAX_NAME_BYTES;
inline constexpr std::size_t kMaxTextBytes = wire::MAX_TEXT_BYTES;
inline constexpr std::size_t kMaxSettings = 64;  // values in one message
inline constexpr std::uint32_t kProtocolVersion = wire::PROTOCOL_VERSION;

using Reason = wire::Refused::Reason;

// A message to be sent. Small ones never touch the heap before they are flattened.
class Draft {
 public:
  explicit Draft(std::uint32_t request = 0) : root_(builder_.initRoot<wire::Message>()) {
    root_.setRequest(request);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  wire::Message::Builder* operator->() noexcept { return &root_; }
  [[nodiscard]] capnp::MessageBuilder& builder() noexcept { return builder_; }

 private:
  capnp::word scratch_[96] = {};
  capnp::MallocMessageBuilder builder_{kj::arrayPtr(scratch_, std::size(scratch_))};
  wire::Message::Builder root_;
};

// The peer sent something that no correct program sends. The text says what.
class BadMessage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// [A-Za-z0-9_.-], at most kMaxNameBytes, parts joined by single slashes, no part "." or "..".
[[nodiscard]] bool valid_stream_name(std::string_view name) noexcept;
inline constexpr const char* kStreamNameRule =
    "a stream name has 1 to 64 characters out of A-Z a-z 0-9 _ . - in parts joined by single "
    "slashes";

// Copies what a peer wrote. Throws BadMessage if longer than `limit`; characters that would steer a
// terminal become '?'.
[[nodiscard]] std::string take_text(capnp::Text::Reader text, std::size_t limit = kMaxTextBytes);
// The same for a stream's name, which must be valid.
[[nodiscard]] std::string take_stream_name(capnp::Text::Reader text);
// `text` shortened to `limit` bytes.
[[nodiscard]] std::string_view clip(std::string_view text, std::size_t limit) noexcept;

// Makes `draft` a Refused; `text` is clipped to what a message may hold.
void fill_refused(Draft& draft, Reason reason, std::string_view text);

inline capnp::Text::Reader as_text(const std::string& text) {
  return {text.c_str(), text.size()};
}

}  // namespace framering
