# SPDX-License-Identifier: Apache-2.0
"""The ring of tests/abi/vectors.txt, changed as a test likes, and a broker that hands it out."""

import array
import fcntl
import mmap
import os
import pathlib
import socket
import struct
import tempfile
import threading

SOURCE = pathlib.Path(os.environ.get("FRAMERING_SOURCE", pathlib.Path(__file__).parents[2]))
LINES = [line.split() for line in (SOURCE / "tests/abi/vectors.txt").read_text().splitlines()
         if line and not line.startswith("#")]
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL | 0x10  # FUTURE_WRITE
PAGE = 4096

# Where things stand in the golden ring (schema/README.md).
CODEC, HEAD, STATE = 64, 128, 256
SLOT, FRAME = 8576, 12416  # of frame 3; and where its bytes are


def lines(kind):
    return [line[1:] for line in LINES if line[0] == kind]


def patches(words):
    """Of a line's OFFSET HEX OFFSET HEX ..."""
    return {int(at): bytes.fromhex(data) for at, data in zip(words[::2], words[1::2])}


def word(value, kind="Q"):
    return struct.pack("<" + kind, value)


class Memory:
    """A sealed memfd that this process writes. Closed, it lives on with those who map it."""

    def __init__(self, length, parts):
        self.descriptor = os.memfd_create("golden", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.posix_fallocate(self.descriptor, 0, length)
        self.bytes = mmap.mmap(self.descriptor, length)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, SEALS)
        for at, data in parts:
            self.put(at, data)

    def put(self, at, data):
        self.bytes[at:at + len(data)] = data


class GoldenRing(Memory):
    def __init__(self, changes=None):
        super().__init__(int(lines("length")[0][0]),
                         [(int(at), bytes.fromhex(data)) for at, data in lines("bytes")])
        for at, data in (changes or {}).items():
            self.put(at, data)


class GoldenBroker:
    """Takes readers one after the other and gives each the ring, with a bell page and a line.

    `lines` are the producer's ends; closed, its death.
    """

    def __init__(self, ring):
        self.folder = tempfile.TemporaryDirectory(prefix="framering-golden-")
        self.ring = ring
        self.bell = Memory(PAGE, [(int(at), bytes.fromhex(data)) for at, data in lines("bell_page")])
        self.lines = []
        self._connections = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"{self.folder.name}/consumer.sock")
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in [self._listener, *self._connections, *self.lines]:
            one.close()
        for memory in (self.ring, self.bell):
            os.close(memory.descriptor)
        self.folder.cleanup()

    @property
    def socket_dir(self):
        return self.folder.name

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
            for _, _, descriptors in control:  # its page
                for descriptor in array.array("i", descriptors[:len(descriptors) // 4 * 4]):
                    os.close(descriptor)
            if data:
                self._answer(connection, request=data[16:20])

    def _answer(self, connection, request):
        attached = bytearray.fromhex(dict(lines("message"))["attached"])
        attached[16:20] = request
        attached[40:48] = self.ring.bytes[16:24]  # the generation
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.lines.append(ours)
        given = array.array("i", [self.ring.descriptor, self.bell.descriptor, theirs.fileno()])
        connection.sendmsg([attached], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
        theirs.close()
