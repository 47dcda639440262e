# SPDX-License-Identifier: Apache-2.0
"""Reads video frames of a Framering broker from shared memory.

    import framering

    with framering.Reader("hdmi/h264") as reader:
        for frame in reader:                     # copies
            print(frame.number, frame.key, len(frame.bytes))

    with framering.Reader("camera/nv12", policy="newest") as reader:
        while True:
            with reader.lease() as frame:        # in place, no copy
                brightness = frame.planes()[0].mean()
"""

from ._errors import (BufferTooSmall, Closed, Ended, Error, Refused, Revoked, State, StateChanged,
                      Timeout)
from ._frame import Frame
from ._framering import version as __version__
from ._reader import Reader, Status

__all__ = ["BufferTooSmall", "Closed", "Ended", "Error", "Frame", "Reader", "Refused", "Revoked",
           "State", "StateChanged", "Status", "Timeout", "__version__"]
