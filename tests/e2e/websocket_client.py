# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client that may also misbehave: every byte is in the test's hands (RFC 6455)."""

import base64
import json
import os
import socket
import ssl
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The server answered with something else than an upgrade."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class Closed(Exception):
    """The connection ended; `code` is the close code, or None without a close frame."""

    def __init__(self, code=None, reason=""):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def connect(port, source="127.0.0.1", tls=None, receive_buffer=None, timeout=30):
    """A TCP or TLS connection to 127.0.0.1 from any address of the loopback network."""
    plain = socket.socket()
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.settimeout(timeout)
    plain.bind((source, 0))
    plain.connect(("127.0.0.1", port))
    return tls.wrap_socket(plain, server_hostname="localhost") if tls else plain


def read_head(connection):
    """(status, headers, what came after them)"""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            raise Closed()
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value.strip() for key, value in
               (line.split(":", 1) for line in lines[1:])}
    return int(lines[0].split()[1]), headers, rest


def get(port, path, headers=(), tls=None, source="127.0.0.1"):
    """(status, headers, body) of one GET."""
    with connect(port, source, tls) as connection:
        lines = [f"GET {path} HTTP/1.1", "Connection: close", *headers]
        if not any(line.lower().startswith("host:") for line in headers):
            lines.append("Host: localhost")
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        status, answer, body = read_head(connection)
        while len(body) < int(answer.get("content-length", 1 << 40)):
            piece = connection.recv(1 << 16)
            if not piece:
                break
            body += piece
        return status, answer, body


class WebSocket:
    def __init__(self, port, path, headers=(), source="127.0.0.1", tls=None, receive_buffer=None):
        self.socket = connect(port, source, tls, receive_buffer)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
                 *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1"))
        status, answer, self.buffer = read_head(self.socket)
        if status != 101:
            while len(self.buffer) < int(answer.get("content-length", 0)):
                self.buffer += self.socket.recv(4096)
            self.socket.close()
            raise Refused(status, self.buffer.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, payload, opcode=BINARY, masked=True, fin=True):
        length = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        mark = 0x80 if masked else 0
        if length < 126:
            head += bytes([mark | length])
        elif length < 1 << 16:
            head += bytes([mark | 126]) + struct.pack(">H", length)
        else:
            head += bytes([mark | 127]) + struct.pack(">Q", length)
        mask = os.urandom(4) if masked else b""
        body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if masked else payload
        self.socket.sendall(head + mask + body)

    def _need(self, count):
        """Waits until so much has come; takes nothing, so that a time-out loses nothing."""
        while len(self.buffer) < count:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise Closed()
            self.buffer += piece

    def _frame(self):
        self._need(2)
        first, second = self.buffer[:2]
        head, length = 2, second & 127
        if length == 126:
            self._need(head := 4)
            length = struct.unpack(">H", self.buffer[2:4])[0]
        elif length == 127:
            self._need(head := 10)
            length = struct.unpack(">Q", self.buffer[2:10])[0]
        if second & 0x80:
            raise AssertionError("a server must not mask")
        if not first & 0x80:
            raise AssertionError("one message, one frame")
        self._need(head + length)
        payload, self.buffer = self.buffer[head:head + length], self.buffer[head + length:]
        return first & 15, payload

    def message(self, seconds=30):
        """(opcode, payload) of the next message; answers pings. Raises Closed, or TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            opcode, payload = self._frame()
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode())
            else:
                return opcode, payload

    def frame(self, seconds=30):
        """(kind, timestamp, payload) of the next binary message; texts are passed over."""
        while True:
            opcode, payload = self.message(seconds)
            if opcode == BINARY:
                kind, timestamp = struct.unpack_from("<BQ", payload)
                return kind, timestamp, payload[9:]

    def json(self, kind, seconds=30):
        """The next text message of that type; everything else is passed over."""
        deadline = time.monotonic() + seconds
        while True:
            opcode, payload = self.message(max(deadline - time.monotonic(), 0.001))
            if opcode == TEXT:
                message = json.loads(payload)
                if message["type"] == kind:
                    return message

    def acknowledge(self, timestamp):
        self.send(struct.pack("<BQ", 2, timestamp))

    def count_frames(self, seconds):
        """How many frames come in that time."""
        count = 0
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.frame(max(deadline - time.monotonic(), 0.001))
                count += 1
        except TimeoutError:
            return count


def unverified_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
