// SPDX-License-Identifier: Apache-2.0
#include "control/channel.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <exception>

namespace framering {

namespace {

// Room for all that one message can bring (SCM_MAX_FD): the kernel would drop what finds none, in
// this thread, and that may hang (disposer.h).
constexpr std::size_t kDescriptorRoom = 253;

// Sum of what a reader may visit: a message whose pointers overlap cannot blow up.
constexpr capnp::ReaderOptions kReaderOptions{kMaxMessageBytes / sizeof(capnp::word) * 2, 16};

// 0 or an errno.
int send_datagram(int socket, kj::ArrayPtr<const capnp::word> words,
                  std::span<const int> descriptors) noexcept {
  iovec part{const_cast<capnp::word*>(words.begin()), words.size() * sizeof(capnp::word)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
  }
  while (::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

void close_elsewhere(const std::shared_ptr<Disposer>& disposer, Fd descriptor,
                     std::uint32_t owner) noexcept {
  if (disposer) disposer->close(std::move(descriptor), owner);
}

}  // namespace

Inbox::Inbox(std::size_t bytes) : words_(kj::heapArray<capnp::word>(bytes / sizeof(capnp::word))) {}

int Inbox::descriptor(std::size_t index) const noexcept {
  return index < descriptor_count_ ? descriptors_[index].get() : -1;
}

Fd Inbox::take(std::size_t index) noexcept {
  return index < descriptor_count_ ? std::move(descriptors_[index]) : Fd();
}

bool Inbox::holds(std::size_t index, DescriptorKind kind) const noexcept {
  return descriptor(index) >= 0 && kinds_[index] == kind;
}

// Takes every descriptor that came along, whatever else is wrong with the message. False: too many,
// or a foreign one, which has gone to the disposer.
bool Inbox::adopt(msghdr& header) noexcept {
  bool harmless = true;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < here; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
      Fd descriptor(number);
      const DescriptorKind kind = kind_of(number);
      if (kind == DescriptorKind::foreign || descriptor_count_ == kMaxDescriptors) {
        harmless = false;
        close_elsewhere(disposer_, std::move(descriptor), sender_);
      } else {
        kinds_[descriptor_count_] = kind;
        descriptors_[descriptor_count_++] = std::move(descriptor);
      }
    }
  }
  return harmless;
}

bool Inbox::decode(std::size_t bytes) noexcept {
  if (bytes % sizeof(capnp::word) != 0) return false;
  const auto words = words_.slice(0, bytes / sizeof(capnp::word));
  try {
    reader_.emplace(words.asConst(), kReaderOptions);
    message_ = reader_->getRoot<wire::Message>();
    // Follows every pointer once, so that most lies come out here rather than in a handler.
    return reader_->getEnd() == words.end() && message_.totalSize().wordCount <= words.size();
  } catch (const std::exception&) {  // kj::Exception, or short of memory
    return false;
  }
}

void Inbox::clear() noexcept {
  for (std::size_t i = 0; i < descriptor_count_; ++i) {
    if (kinds_[i] == DescriptorKind::unix_socket) {
      close_elsewhere(disposer_, std::move(descriptors_[i]), sender_);
    }
    descriptors_[i].reset();
  }
  descriptor_count_ = 0;
  message_ = {};
  reader_.reset();
}

Channel& Channel::operator=(Channel&& other) noexcept {
  close();
  socket_ = std::move(other.socket_);
  epoll_ = other.epoll_;
  queue_ = std::move(other.queue_);
  disposer_ = std::move(other.disposer_);
  peer_ = other.peer_;
  return *this;
}

void Channel::unwatch() noexcept {
  if (epoll_ >= 0 && socket_) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket_.get(), nullptr);
  epoll_ = -1;
}

void Channel::close() noexcept {
  if (disposer_ && socket_) {
    // What the peer sent and nobody received goes with it. Not while our epoll_wait(2) may hold the
    // socket for a moment: it would be the last to let go of it, and hang in place of the disposer.
    unwatch();
    close_elsewhere(disposer_, std::move(socket_), peer_);
    if (!queue_.empty()) disposer_->take(std::move(queue_), peer_);
  }
  socket_.reset();
  queue_.clear();
}

bool Channel::send(Draft& draft, std::initializer_list<int> descriptors) noexcept try {
  if (!is_open()) return false;
  auto words = capnp::messageToFlatArray(draft.builder());
  const std::span<const int> handed(descriptors.begin(), descriptors.size());
  if (words.size() * sizeof(capnp::word) > kMaxMessageBytes || handed.size() > kMaxDescriptors) {
    close();
    return false;
  }
  if (queue_.empty()) {
    const int error = send_datagram(socket_.get(), words, handed);
    if (error == 0) return true;
    if (error == ETOOMANYREFS) return false;
    if (error != EAGAIN) {
      close();
      return false;
    }
  }
  if (queue_.size() == kMaxQueued) {
    close();
    return false;
  }
  Outgoing outgoing{std::move(words), {}, 0};
  for (const int descriptor : handed) {
    Fd copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) {
      close();
      return false;
    }
    outgoing.descriptors[outgoing.descriptor_count++] = std::move(copy);
  }
  queue_.push_back(std::move(outgoing));
  return true;
} catch (const std::exception&) {
  close();
  return false;
}

bool Channel::refuse(std::uint32_t request, Reason reason, std::string_view text) noexcept try {
  Draft draft(request);
  fill_refused(draft, reason, text);
  return send(draft);
} catch (const std::exception&) {
  close();
  return false;
}

bool Channel::flush() noexcept {
  std::size_t sent = 0;
  while (sent < queue_.size()) {
    const Outgoing& next = queue_[sent];
    int raw[kMaxDescriptors];
    for (std::size_t i = 0; i < next.descriptor_count; ++i) raw[i] = next.descriptors[i].get();
    const int error = send_datagram(socket_.get(), next.words, {raw, next.descriptor_count});
    if (error == EAGAIN) break;
    if (error != 0) {
      close();
      return false;
    }
    ++sent;
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(sent));
  return is_open();
}

Received Channel::receive(Inbox& inbox) noexcept {
  inbox.clear();
  if (!is_open()) return Received::closed;
  iovec part{inbox.words_.begin(), inbox.words_.size() * sizeof(capnp::word)};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptorRoom * sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::nothing : Received::closed;
  }
  inbox.disposer_ = disposer_;
  inbox.sender_ = peer_;
  const bool harmless = inbox.adopt(header);
  // 0: end of file; an empty datagram is no message either.
  if (got > 0 && harmless && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
      inbox.decode(static_cast<std::size_t>(got))) {
    return Received::message;
  }
  inbox.clear();
  return got == 0 ? Received::closed : Received::bad;
}

}  // namespace framering
