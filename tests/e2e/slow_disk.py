#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that can stand still or fail: `slow_disk.py LOWER MOUNT` shows the folder LOWER at MOUNT.

A file system in user space (linux/fuse.h), as much of it as a recorder needs. Without a write-back
cache: whoever writes waits for this process, so SIGSTOP is a disk that hangs.
"""

import ctypes
import errno
import os
import struct
import sys

HEADER = struct.Struct("<IIQQIIII")
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
(LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR, RENAME, OPEN, READ, WRITE, STATFS, RELEASE,
 FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, CREATE, INTERRUPT, BATCH_FORGET,
 RENAME2) = (1, 2, 3, 4, 9, 10, 11, 12, 14, 15, 16, 17, 18, 20, 25, 26, 27, 28, 29, 34, 35, 36, 42, 45)
FATTR_SIZE = 8
ROOT = 1


class Disk:
    def __init__(self, lower):
        self.paths = {ROOT: lower}
        self.broken = lower + ".broken"
        self.handlers = {
            INIT: self.init, LOOKUP: self.lookup, GETATTR: lambda node, _: self.attributes(node),
            SETATTR: self.setattr, MKDIR: self.mkdir, CREATE: self.create, OPEN: self.open,
            OPENDIR: lambda *_: bytes(16), RELEASEDIR: lambda *_: b"", READDIR: self.readdir,
            READ: self.read, WRITE: self.write, FSYNC: self.fsync, RELEASE: self.release,
            FLUSH: lambda *_: b"", ACCESS: lambda *_: b"", STATFS: self.statfs,
            UNLINK: lambda node, body: os.unlink(self.child(node, body)) or b"",
            RMDIR: lambda node, body: os.rmdir(self.child(node, body)) or b"",
            RENAME: lambda node, body: self.rename(node, body, 8),
            RENAME2: lambda node, body: self.rename(node, body, 16)}

    def child(self, node, name):
        return os.path.join(self.paths[node], name.split(b"\0")[0].decode())

    def attr(self, path):
        s = os.lstat(path)
        return ATTR.pack(s.st_ino, s.st_size, s.st_blocks, int(s.st_atime), int(s.st_mtime),
                         int(s.st_ctime), 0, 0, 0, s.st_mode, s.st_nlink, s.st_uid, s.st_gid, 0,
                         4096, 0)

    def attributes(self, node):
        return struct.pack("<QII", 0, 0, 0) + self.attr(self.paths[node])

    def entry(self, path):
        attr = self.attr(path)
        node = os.lstat(path).st_ino + ROOT
        self.paths[node] = path
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + attr

    def init(self, _, body):
        major, minor, readahead, _ = struct.unpack_from("<IIII", body)
        return struct.pack("<IIIIHHIIHHI7I", major, min(minor, 31), readahead, 0, 8, 8, 65536, 1, 0,
                           0, 0, *([0] * 7))

    def lookup(self, node, body):
        return self.entry(self.child(node, body))

    def setattr(self, node, body):
        valid, _, _, size = struct.unpack_from("<IIQQ", body)
        if valid & FATTR_SIZE:
            os.truncate(self.paths[node], size)
        return self.attributes(node)

    def mkdir(self, node, body):
        path = self.child(node, body[8:])
        os.mkdir(path)
        return self.entry(path)

    def create(self, node, body):
        flags, mode = struct.unpack_from("<II", body)
        path = self.child(node, body[16:])
        file = os.open(path, flags & ~os.O_CLOEXEC | os.O_CREAT, mode)
        return self.entry(path) + struct.pack("<QII", file, 0, 0)

    def open(self, node, body):
        flags, _ = struct.unpack_from("<II", body)
        return struct.pack("<QII", os.open(self.paths[node], flags & ~os.O_CREAT), 0, 0)

    def read(self, _, body):
        file, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(file, size, offset)

    def write(self, _, body):
        if os.path.exists(self.broken):
            raise OSError(errno.EIO, "")
        file, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(file, body[40:40 + size], offset), 0)

    def fsync(self, _, body):
        os.fsync(struct.unpack_from("<Q", body)[0])
        return b""

    def release(self, _, body):
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def rename(self, node, body, names):
        target, = struct.unpack_from("<Q", body)
        old, new = body[names:].split(b"\0")[:2]
        os.rename(self.child(node, old), self.child(target, new))
        return b""

    def readdir(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        listing = b""
        for at, name in enumerate(sorted(os.listdir(self.paths[node]))):
            raw = name.encode()
            one = struct.pack("<QQII", at + 2, at + 1, len(raw), 0) + raw
            one += bytes(-len(one) % 8)
            if at >= offset and len(listing) + len(one) <= size:
                listing += one
        return listing

    def statfs(self, *_):
        s = os.statvfs(self.paths[ROOT])
        return struct.pack("<QQQQQIIII6I", s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree,
                           s.f_bsize, 255, s.f_frsize, 0, *([0] * 6))

    def answer(self, request):
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return None
        body, error = b"", 0
        try:
            if opcode not in self.handlers:
                raise OSError(errno.ENOSYS, "")
            body = self.handlers[opcode](node, request[HEADER.size:])
        except OSError as failed:
            error = failed.errno
        return struct.pack("<IiQ", 16 + len(body), -error, unique) + body


def main():
    lower, mount = sys.argv[1:]
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"slow", mount.encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    disk = Disk(lower)
    while True:
        try:
            reply = disk.answer(os.read(device, 1 << 18))
            if reply is not None:
                os.write(device, reply)
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            if error.errno not in (errno.ENOENT, errno.EINTR):
                raise


if __name__ == "__main__":
    main()
