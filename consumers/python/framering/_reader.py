# SPDX-License-Identifier: Apache-2.0
"""Reads a stream of a broker."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, AsyncIterator, Callable, Iterator, NamedTuple, Optional, Union

from . import _framering
from ._errors import Ended, Error, State, StateChanged, Timeout
from ._frame import Frame

_POLICIES = {"live": 0, "newest": 1, "every": 2}
_STARTS = {"key": 0, "oldest": 1, "head": 2}
_BELLS = {"futex": 0, "eventfd": 1, "line": 2}
_LINKS = ("no broker", "no stream", "attached")
_TIMEOUT, _STATE_CHANGED, _ENDED = 1, 2, 3


class Status(NamedTuple):
    """What a reader knows of its stream, and what became of the frames."""

    link: str  #: "no broker", "no stream" (nobody produces it yet) or "attached"
    state: State
    codec: str  #: "" while not attached
    time_base_num: int  #: pts and dts count num / den seconds
    time_base_den: int
    history_frames: int  #: the ring keeps at most so many
    history_bytes: int
    generation: int  #: this life of the producer; 0 while not attached
    head: int  #: newest frame published; 0: none
    delivered: int  #: since the reader was opened, like what follows
    lost_lapped: int  #: overwritten before they were read
    lost_skipped: int  #: passed over by the policy
    lost_undecodable: int  #: dropped while waiting for a key frame
    leases_revoked: int


def _chosen(what: str, value: str, values: dict[str, int]) -> int:
    if value not in values:
        raise ValueError(f"{what}={value!r}: it is one of {', '.join(map(repr, values))}")
    return values[value]


def _nanoseconds(timeout: float) -> int:
    return int(min(max(timeout, 0), 1e9) * 1e9)


class Reader:
    """Reads one stream, through restarts of its producer and of the broker.

    Opens at once, whether or not there is a broker or such a stream. One thread at a time uses a
    reader (open one for each); `request_key` and `close` may be called from any.
    """

    __slots__ = ("_core", "_events", "_state_changes", "__weakref__")

    def __init__(self, stream: str, *, policy: str = "live", start: str = "key",
                 bell: str = "futex", max_lag: int = 0,
                 socket_dir: Union[str, "os.PathLike[str]", None] = None,
                 name: Optional[str] = None, paused: bool = False, predictive: bool = False,
                 state_changes: bool = False) -> None:
        """
        policy: when it cannot keep up, "newest" jumps to the newest picture, "live" stays in order
            and jumps to a key frame when it must, "every" stays in order and tells each loss in
            `frame.lost`.
        start: "key" (the newest key frame held), "oldest" (the oldest), or "head" (what comes).
        bell: "futex" for threads; "eventfd" or "line" for asyncio and other event loops.
        max_lag: "live" jumps to a key frame when so many frames behind; 0: never.
        socket_dir: of the broker; else $FRAMERING_DIR, else /run/framering.
        name: for people, in `framering top`.
        paused: asks for no frames before set_demand(True).
        predictive: awake shortly before each frame, for less latency; with the futex bell.
        state_changes: next and lease raise StateChanged; else see `state`.
        """
        self._core = _framering.Reader(
            stream, _chosen("policy", policy, _POLICIES), _chosen("start", start, _STARTS),
            _chosen("bell", bell, _BELLS), max_lag,
            None if socket_dir is None else os.fspath(socket_dir), name, paused, predictive, Frame)
        self._events = bell != "futex"
        self._state_changes = state_changes

    def close(self) -> None:
        """Detaches. Frames and views stay readable; leases no longer protect them."""
        self._core.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def next(self, timeout: Optional[float] = None) -> Frame:
        """A copy of the next frame, waiting so many seconds (None: as long as it takes).

        Raises Timeout, Ended, Refused, Closed, and StateChanged if that was asked for.
        """
        return self._read(self._core.next, timeout)

    def next_into(self, buffer: Any, timeout: Optional[float] = None) -> Frame:
        """The same into a writable buffer (bytearray, numpy array), which the frame then holds.

        BufferTooSmall: call again with a larger one, the frame is still the next.
        """
        return self._read(lambda timeout_ns: self._core.next_into(buffer, timeout_ns), timeout)

    def lease(self, timeout: Optional[float] = None) -> Frame:
        """The next frame in place, without a copy, for use in a `with` block.

        The producer may take it back from a reader that is slow: then the block's end raises
        Revoked. What leaves the program (socket, file) is better copied, by `next`.
        """
        return self._read(self._core.lease, timeout)

    def __iter__(self) -> Iterator[Frame]:
        """Copies, until the producer has finished. Begun anew, it reads its successor."""
        while True:
            try:
                yield self.next()
            except Ended:
                return

    def _read(self, read: Callable[[int], Union[Frame, int]], timeout: Optional[float]) -> Frame:
        if timeout is None:
            frame = read(-1)
            while not isinstance(frame, Frame):
                self._tell(frame, timeout)
                frame = read(-1)
            return frame
        end = time.monotonic() + timeout
        frame = read(_nanoseconds(timeout))
        while not isinstance(frame, Frame):
            self._tell(frame, timeout)
            frame = read(_nanoseconds(end - time.monotonic()))
        return frame

    def _tell(self, result: int, timeout: Optional[float]) -> None:
        """Raises what the library said instead of giving a frame, unless nobody wants to know."""
        if result == _ENDED:
            raise Ended("the producer has finished")
        if result == _TIMEOUT:
            status = self.status()
            why = status.link if status.link != "attached" else status.state.name.lower()
            raise Timeout(f"no frame within {timeout} s ({why.replace('_', ' ')})")
        if self._state_changes:
            raise StateChanged(self.state)

    # asyncio

    async def anext(self) -> Frame:
        """`next` for asyncio; wants bell="eventfd" or "line". See asyncio.timeout for a limit."""
        return await self._aread(self._core.next)

    async def alease(self) -> Frame:
        """`lease` for asyncio."""
        return await self._aread(self._core.lease)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            try:
                frame = await self.anext()
            except Ended:
                return
            yield frame

    async def _aread(self, read: Callable[[int], Union[Frame, int]]) -> Frame:
        if not self._events:
            raise Error('an event loop does not hear a futex: open the reader with bell="eventfd", '
                        'or "line"')
        while True:
            frame = read(0)
            if isinstance(frame, Frame):
                return frame
            if frame == _TIMEOUT:
                await self._readable()
            else:
                self._tell(frame, None)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        descriptor = self.fileno()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)

    def fileno(self) -> int:
        """For other event loops: readable when `next(0)` is to be called until it raises Timeout.

        With bell="eventfd" or "line". Only to be polled.
        """
        return self._core.fileno()

    # What it knows and what it wants

    @property
    def state(self) -> State:
        """Of the source."""
        return self.status().state

    def status(self) -> Status:
        link, state, codec, *rest = self._core.status()
        return Status(_LINKS[link], State(state),
                      codec.to_bytes(4, "little").decode("latin-1") if codec else "", *rest)

    def parameter_set(self, number: int) -> Optional[bytes]:
        """SPS and PPS (VPS) in Annex B, by `frame.parameter_set`; None: no longer kept."""
        return self._core.parameter_set(number)

    def request_key(self) -> None:
        """Asks for a key frame. The producer merges such requests and limits their rate."""
        self._core.request_key()

    def set_demand(self, wanted: bool) -> None:
        """False: wants no frames for now, so that a stream nobody wants need not be encoded."""
        self._core.set_demand(wanted)
