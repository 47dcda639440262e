# SPDX-License-Identifier: Apache-2.0
"""What can go wrong. The extension raises these by their names."""

from __future__ import annotations

import enum


class State(enum.IntEnum):
    """What a stream's source is doing, as its producer says."""

    STARTING = 0  #: also while the reader is not attached
    LIVE = 1
    NO_SIGNAL = 2
    UNSUPPORTED_RESOLUTION = 3
    CHANGING_RESOLUTION = 4
    ENCODER_ERROR = 5
    FRAME_TOO_LARGE = 6
    ENDED = 7
    REPLACED = 8
    IDLE = 9  #: nobody wants frames


class Error(Exception):
    """All that this package raises, but for plain misuse (ValueError, TypeError)."""


class Closed(Error):
    """The reader was closed."""


class Timeout(Error, TimeoutError):
    """No frame came in the time given."""


class Ended(Error):
    """The producer has finished, and everything was read. A later call reads its successor."""


class Revoked(Error):
    """The producer took the lease back: what was computed from the frame is worth nothing."""


class Refused(Error, PermissionError):
    """The broker does not let this program read, or the ring is none that it can read."""


class BufferTooSmall(Error, ValueError):
    """The next frame is larger than the buffer. It is not lost: call again with a larger one."""


class StateChanged(Error):
    """The source went into another state. Only with Reader(..., state_changes=True)."""

    def __init__(self, state: State) -> None:
        super().__init__(f"the source is now {state.name.lower().replace('_', ' ')}")
        self.state = state
