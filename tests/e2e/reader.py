# SPDX-License-Identifier: Apache-2.0
"""A reader in the test's own process, through the C API (broker/framering.h)."""

import ctypes
import glob
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p

from harness import BUILD

KEY = 1
DISCONTINUITY = 4
READY, TIMEOUT, STATE_CHANGED, ENDED = range(4)
POLICIES = {"live": 0, "newest": 1, "every": 2}
STARTS = {"key": 0, "oldest": 1, "head": 2}
STATES = ("starting", "live", "no_signal", "unsupported_resolution", "changing_resolution",
          "encoder_error", "frame_too_large", "ended", "replaced", "idle")


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("policy", c_uint32), ("start", c_uint32),
                ("bell", c_uint32), ("stream", c_char_p), ("socket_dir", c_char_p),
                ("name", c_char_p), ("max_lag_frames", c_uint32), ("paused", c_uint32)]


class Frame(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("generation", c_uint64),
                ("number", c_uint64), ("lost_before", c_uint64), ("published_ns", c_uint64),
                ("bytes", POINTER(c_uint8)), ("size", c_uint64), ("pts", c_int64),
                ("dts", c_int64), ("captured_ns", c_uint64), ("encoded_ns", c_uint64),
                ("parameter_set", c_uint64), ("codec", c_uint32), ("width", c_uint32),
                ("height", c_uint32), ("stride", c_uint32 * 4), ("plane_offset", c_uint32 * 4),
                ("colour", c_uint8 * 4)]


def load_library():
    library = ctypes.CDLL(sorted(glob.glob(str(BUILD / "broker" / "libframering.so*")))[0])
    library.framering_last_error.restype = c_char_p
    library.framering_reader_open.argtypes = [POINTER(_Options), POINTER(c_void_p)]
    library.framering_reader_next.argtypes = [c_void_p, POINTER(Frame), c_int64]
    for name in ("close", "request_key"):
        getattr(library, f"framering_reader_{name}").argtypes = [c_void_p]
        getattr(library, f"framering_reader_{name}").restype = None
    library.framering_reader_state.argtypes = [c_void_p]
    library.framering_reader_state.restype = c_int
    return library


class Reader:
    def __init__(self, stage, stream, policy="live", start="key"):
        self.library = load_library()
        self.frame = Frame(struct_size=ctypes.sizeof(Frame))
        options = _Options(struct_size=ctypes.sizeof(_Options), policy=POLICIES[policy],
                           start=STARTS[start], stream=stream.encode(),
                           socket_dir=str(stage.socket_dir).encode(), name=b"e2e")
        self.handle = c_void_p()
        if self.library.framering_reader_open(byref(options), byref(self.handle)) != 0:
            raise AssertionError(self.library.framering_last_error().decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.framering_reader_close(self.handle)

    def next(self, seconds):
        """READY (see self.frame), TIMEOUT, STATE_CHANGED or ENDED."""
        result = self.library.framering_reader_next(self.handle, byref(self.frame),
                                                    int(seconds * 1e9))
        if result < 0:
            raise AssertionError(self.library.framering_last_error().decode())
        return result

    def request_key(self):
        self.library.framering_reader_request_key(self.handle)

    @property
    def state(self):
        return STATES[self.library.framering_reader_state(self.handle)]

    @property
    def key(self):
        return bool(self.frame.flags & KEY)

    def bytes(self):
        return ctypes.string_at(self.frame.bytes, self.frame.size)
