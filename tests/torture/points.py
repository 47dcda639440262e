# SPDX-License-Identifier: Apache-2.0
"""The controller's side of points.h: which fault points a process knows, and the order to strike."""

import errno
import mmap
import struct

POINT_BYTES, TABLE_BYTES, MAX_POINTS = 128, 128, 1023
FILE_BYTES = TABLE_BYTES + MAX_POINTS * POINT_BYTES
ORDER = struct.Struct("<QqIII")  # target, countdown, action, argument, repeats; from byte 8
NUMBER = struct.Struct("<Q")
FIRED_AT, USED_AT = 40, 48
ACTIONS = {"stop": 1, "kill": 2, "nap": 3, "fail": 4}

# What each call may fail with when descriptors, memory or patience are short.
ERRORS = {
    "accept4": (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED, errno.EINTR),
    "connect": (errno.ECONNREFUSED, errno.EAGAIN, errno.ENOMEM),
    "epoll_create1": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "epoll_ctl": (errno.ENOMEM, errno.ENOSPC),
    "epoll_wait": (errno.EINTR,),
    "eventfd": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "fallocate": (errno.ENOSPC, errno.ENOMEM, errno.EINTR),
    "fcntl": (errno.EMFILE, errno.ENOMEM),
    "fstat": (errno.ENOMEM,),
    "ftruncate": (errno.ENOMEM, errno.EINTR),
    "inotify_add_watch": (errno.ENOSPC, errno.ENOMEM),
    "inotify_init1": (errno.EMFILE, errno.ENOMEM),
    "memfd_create": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "mmap": (errno.ENOMEM, errno.ENFILE),
    "new": (errno.ENOMEM,),
    "ppoll": (errno.EINTR, errno.ENOMEM),
    "recv": (errno.EAGAIN, errno.EINTR, errno.ENOMEM),
    "recvmsg": (errno.EAGAIN, errno.EINTR, errno.ENOMEM),
    "send": (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM),
    "sendmsg": (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM, errno.EPIPE),
    "socket": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "socketpair": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "syscall": (errno.EAGAIN, errno.EINTR),
    "timerfd_create": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}


def errors_at(name):
    """What the point of that name can fail with: nothing unless it is a system call."""
    return ERRORS.get(name.split(" ", 1)[0], ())


class Points:
    """The file of one process. It outlives the process, and serves one only."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(FILE_BYTES))
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), FILE_BYTES)
        self._orders = 0

    def close(self):
        self._map.close()
        self.path.unlink()

    def arm(self, key, countdown, action, argument=0, repeats=1):
        """At the pass after `countdown` more. argument: microseconds of a nap, errno of a failure."""
        self.disarm()
        ORDER.pack_into(self._map, 8, key, countdown, ACTIONS[action], argument, repeats)
        self._orders += 1
        NUMBER.pack_into(self._map, 0, self._orders)

    def disarm(self):
        NUMBER.pack_into(self._map, 0, 0)

    @property
    def fired(self):
        """Whether the newest order has struck."""
        return self._orders != 0 and NUMBER.unpack_from(self._map, FIRED_AT)[0] == self._orders

    def passes(self):
        """{name: (key, how often it was passed)}"""
        found = {}
        used = struct.unpack_from("<I", self._map, USED_AT)[0]
        for i in range(used):
            key, count, name = struct.unpack_from("<QQ112s", self._map, TABLE_BYTES + i * POINT_BYTES)
            found[name.split(b"\0", 1)[0].decode()] = (key, count)
        return found
