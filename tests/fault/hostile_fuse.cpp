// SPDX-License-Identifier: Apache-2.0
//
// A neighbour hands over files of a file system that is its own: FUSE in a user namespace, which
// needs no rights. It opens them as they should be, and then no longer answers: close(2) waits for
// ever, and so does whoever drops the last reference to one with unwritten pages.
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "hostile_attack.h"

namespace framering::test {
namespace {

// In a mount namespace of the neighbour's own; nobody else sees what lies there.
constexpr const char* kPlace = "/media";
constexpr const char* kDevice = "/media/fuse";
constexpr const char* kMount = "/media/files";

void must(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

// As root: a /dev/fuse that everybody may open, as on most systems.
void provide_device() {
  must(::unshare(CLONE_NEWNS) == 0, "unshare");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount");
  must(::mount("fuse-test", kPlace, "tmpfs", 0, "mode=0777") == 0, "mount tmpfs");
  must(::mknod(kDevice, S_IFCHR | 0666, makedev(10, 229)) == 0, "mknod");
  must(::chmod(kDevice, 0666) == 0, "chmod");
}

void write_file(const char* path, const std::string& text) {
  const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
  must(file.valid() && ::write(file.get(), text.data(), text.size()) > 0, path);
}

struct Reply {
  fuse_out_header header{};
  union {
    fuse_init_out init;
    fuse_entry_out entry;
    fuse_attr_out attr;
    fuse_open_out open;
    fuse_write_out write;
  } body{};
};

// A directory in which every name is an empty file. Its daemon is a process of its own: when that
// is killed, the kernel lets go of everybody who waits.
class FuseMount {
 public:
  FuseMount();
  [[nodiscard]] Fd open(int file) const {
    const std::string path = std::string(kMount) + "/" + std::to_string(file);
    Fd opened(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    must(opened.valid(), "a file of one's own");
    return opened;
  }
  void stop_answering() noexcept { silent_->store(1); }

 private:
  [[noreturn]] void serve(int device) const;
  std::atomic<std::uint32_t>* silent_ = nullptr;
};

FuseMount::FuseMount() {
  const auto uid = std::to_string(::getuid());
  const auto gid = std::to_string(::getgid());
  ::prctl(PR_SET_DUMPABLE, 1);  // else root owns the files in /proc/self
  must(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0, "unshare a user namespace");
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + uid + " 1");
  write_file("/proc/self/gid_map", "0 " + gid + " 1");
  const Fd device(::open(kDevice, O_RDWR | O_CLOEXEC));
  must(device.valid(), "fuse");
  must(::mkdir(kMount, 0777) == 0, kMount);
  const std::string options =
      "fd=" + std::to_string(device.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
  must(::mount("files", kMount, "fuse", MS_NOSUID | MS_NODEV, options.c_str()) == 0, "mount fuse");
  void* const shared =
      ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(shared != MAP_FAILED, "mmap");
  silent_ = static_cast<std::atomic<std::uint32_t>*>(shared);
  const pid_t parent = ::getpid();
  const pid_t daemon = ::fork();
  must(daemon >= 0, "fork");
  if (daemon == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    serve(device.get());
  }
}

// The protocol of linux/fuse.h, as much as open, write and close need.
void FuseMount::serve(int device) const {
  std::vector<char> request(1u << 20);
  for (;;) {
    if (::read(device, request.data(), request.size()) < 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      ::_exit(0);
    }
    fuse_in_header asked{};
    std::memcpy(&asked, request.data(), sizeof asked);
    Reply reply;
    reply.header.unique = asked.unique;
    std::size_t bytes = 0;
    const auto describe_file = [](fuse_attr& attr, std::uint64_t node) {
      attr.ino = node;
      attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666;
      attr.nlink = 1;
    };
    const bool held = silent_->load() != 0;
    switch (asked.opcode) {
      case FUSE_INIT:
        reply.body.init.major = FUSE_KERNEL_VERSION;
        reply.body.init.minor = 31;
        reply.body.init.max_write = 65536;
        reply.body.init.flags = FUSE_WRITEBACK_CACHE;
        bytes = sizeof reply.body.init;
        break;
      case FUSE_LOOKUP:
        reply.body.entry.nodeid =
            100 + static_cast<std::uint64_t>(std::atoi(request.data() + sizeof asked));
        reply.body.entry.entry_valid = reply.body.entry.attr_valid = 10'000;
        describe_file(reply.body.entry.attr, reply.body.entry.nodeid);
        bytes = sizeof reply.body.entry;
        break;
      case FUSE_GETATTR:
      case FUSE_SETATTR:
        if (held && asked.opcode == FUSE_SETATTR) continue;
        reply.body.attr.attr_valid = 10'000;
        describe_file(reply.body.attr.attr, asked.nodeid);
        bytes = sizeof reply.body.attr;
        break;
      case FUSE_OPEN:
        bytes = sizeof reply.body.open;
        break;
      case FUSE_FLUSH:
      case FUSE_RELEASE:
        if (held) continue;
        break;
      case FUSE_WRITE:
        if (held) continue;
        std::memcpy(&reply.body.write.size,
                    request.data() + sizeof asked + offsetof(fuse_write_in, size),
                    sizeof reply.body.write.size);
        bytes = sizeof reply.body.write;
        break;
      case FUSE_FORGET:
      case FUSE_INTERRUPT:
      case FUSE_BATCH_FORGET:
        continue;
      default:
        reply.header.error = -ENOSYS;
    }
    reply.header.len = static_cast<std::uint32_t>(sizeof reply.header + bytes);
    (void)!::write(device, &reply, reply.header.len);
  }
}

bool send_file(int socket, int file) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof file)] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof file);
  std::memcpy(CMSG_DATA(rights), &file, sizeof file);
  return ::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

// The one reference to a file, queued in `socket`. Once it has unwritten pages, dropping it waits.
[[nodiscard]] Fd queue_last_reference(const FuseMount& files, int number, int socket) {
  Fd other = files.open(number);
  const Fd queued = files.open(number);
  must(send_file(socket, queued.get()), "sending a file");
  return other;
}

void make_dirty(const Fd& file) {
  must(::pwrite(file.get(), "unwritten", 9, 0) == 9, "pwrite");
}

// Asks without hearing the answers, until the broker asks it for no more: what it sends then stays
// in the broker's socket.
void be_ignored(RawPeer& peer) {
  for (int unread = 0; unread == 0;) {
    Draft draft(1);
    draft->setListStreams();
    for (int i = 0; i < 16; ++i) peer.channel.send(draft);
    nap_us(2'000);
    ::ioctl(peer.channel.fd(), SIOCOUTQ, &unread);
  }
}

void hand_over_its_own_files(const Neighbourhood& where) {
  FuseMount files;
  HostileReader reader(where, Bell::line);
  RawPeer ignored(where.dir, Role::consumer);
  be_ignored(ignored);
  const Fd in_question = files.open(1);
  // On its line, to the producer, which does not listen for a while after a nudge.
  (void)::send(reader.line.get(), "!", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  const Fd on_line = queue_last_reference(files, 2, reader.line.get());
  const Fd in_socket = queue_last_reference(files, 3, ignored.channel.fd());
  files.stop_answering();
  make_dirty(on_line);
  make_dirty(in_socket);
  where.score->tries.fetch_add(2);
  ignored.channel.close();  // the broker drops what it has not received
  where.score->ready.store(1);
  for (;; nap_us(2'000)) {
    RawPeer peer(where.dir, Role::consumer);
    peer.attach(kStream, in_question.get(), Bell::futex);
    where.score->tries.fetch_add(1);
    if (peer.wait() == Received::message && peer.inbox.message().isAttached()) {
      where.score->successes.fetch_add(1);
    }
  }
}

std::string why_no_fuse() {
  if (::access("/dev/fuse", F_OK) != 0) return "there is no /dev/fuse: load the kernel's fuse";
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      provide_device();
      must(::setgid(61'000) == 0 && ::setuid(61'000) == 0, "setuid");
      const FuseMount files;
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "no FUSE mount of one's own: %s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? "" : "this machine allows no FUSE mount in a user namespace";
}

}  // namespace

std::vector<Attack> file_system_attacks() {
  Attack attack{"ItHandsOverFilesOfItsOwnFileSystem", "files", Standing::stranger,
                hand_over_its_own_files};
  attack.prepare = provide_device;
  attack.why_impossible = why_no_fuse;
  return {attack};
}

}  // namespace framering::test
