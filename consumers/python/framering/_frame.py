# SPDX-License-Identifier: Apache-2.0
"""A frame as Python sees it: bytes, and numpy arrays that share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Tuple

from . import _framering

if TYPE_CHECKING:
    import numpy

KEY = 1
HAS_PARAMETERS = 2
DISCONTINUITY = 4
DROPPABLE = 8

# DRM fourccs (drm_fourcc.h) of raw pictures. Of each plane: columns and rows of the picture for one
# of the plane's samples, and bytes of a sample; what a sample holds is in the order of memory.
_PLANES = {
    "R8  ": [(1, 1, 1)],
    "GREY": [(1, 1, 1)],
    "BG24": [(1, 1, 3)],  # R, G, B
    "RG24": [(1, 1, 3)],  # B, G, R, as OpenCV has it
    "XB24": [(1, 1, 4)],  # R, G, B, and a byte that means nothing
    "XR24": [(1, 1, 4)],  # B, G, R, and a byte that means nothing
    "AB24": [(1, 1, 4)],  # R, G, B, A
    "AR24": [(1, 1, 4)],  # B, G, R, A
    "YUYV": [(1, 1, 2)],
    "UYVY": [(1, 1, 2)],
    "NV12": [(1, 1, 1), (2, 2, 2)],
    "NV21": [(1, 1, 1), (2, 2, 2)],
    "YU12": [(1, 1, 1), (2, 2, 1), (2, 2, 1)],
    "YV12": [(1, 1, 1), (2, 2, 1), (2, 2, 1)],
}


class Frame(_framering.Frame):
    """One frame, copied or leased. Its bytes, by the buffer protocol, are read-only if leased.

    A lease stands until `release()`, the end of a `with` block, or until nobody holds the frame.
    The block's end raises Revoked if the producer took the lease back, also in place of what went
    wrong because of that. Views that outlive a lease may show a later frame, but never crash.
    """

    __slots__ = ()

    @property
    def key(self) -> bool:
        """Can be decoded by itself."""
        return bool(self.flags & KEY)

    @property
    def has_parameters(self) -> bool:
        """SPS and PPS are in the bytes."""
        return bool(self.flags & HAS_PARAMETERS)

    @property
    def discontinuity(self) -> bool:
        """Source or encoder was restarted."""
        return bool(self.flags & DISCONTINUITY)

    @property
    def droppable(self) -> bool:
        """Nothing refers to it."""
        return bool(self.flags & DROPPABLE)

    @property
    def codec(self) -> str:
        """Such as "H264", "MJPG", or the DRM fourcc of a raw picture: "NV12"."""
        return self.fourcc.to_bytes(4, "little").decode("latin-1")

    def __bytes__(self) -> bytes:
        return memoryview(self).tobytes()

    def __len__(self) -> int:
        return self.size

    def array(self) -> "numpy.ndarray[Any, Any]":
        """A numpy array of the bytes, in place.

        Encoded: one dimension. Raw with one plane: rows, columns (, channels). Raw with more: rows
        of luma with rows of chroma below them, as OpenCV takes NV12 and I420, if they lie so; else
        use `planes()`.
        """
        if self.codec not in _PLANES:
            return self._flat()
        planes = self._geometry()
        if len(planes) == 1:
            return self._plane(*planes[0])
        offset, stride, rows, columns, _ = planes[0]
        end = offset + stride * rows
        together = len(planes) == 2 or stride == columns  # I420: two rows of U or V in one
        for plane_offset, plane_stride, plane_rows, _, _ in planes[1:]:
            together &= plane_offset == end and plane_stride * len(planes[1:]) == stride
            end += plane_stride * plane_rows
        if not together or (end - offset) % stride != 0:
            raise ValueError(f"the planes of this {self.codec} have gaps: use planes()")
        return self._plane(offset, stride, (end - offset) // stride, columns, 1)

    def planes(self) -> "Tuple[numpy.ndarray[Any, Any], ...]":
        """A numpy array of each plane of a raw picture: of NV12, Y and interleaved UV."""
        if self.codec not in _PLANES:
            raise ValueError(f"{self.codec} is encoded and has no planes")
        return tuple(self._plane(*plane) for plane in self._geometry())

    def _geometry(self) -> List[Tuple[int, int, int, int, int]]:
        """Offset, bytes from row to row, rows, columns and bytes of a sample, of each plane."""
        if self.width == 0 or self.height == 0:
            raise ValueError("the producer does not say how large the picture is")
        planes = []
        end = 0
        for index, (across, down, sample) in enumerate(_PLANES[self.codec]):
            columns = -(-self.width // across)
            rows = -(-self.height // down)
            # A producer that says nothing of its planes has no gaps.
            stride = self.stride[index] or columns * sample
            offset = self.plane_offset[index] or end
            if stride < columns * sample:
                raise ValueError(f"a row of {columns * sample} bytes in {stride}")
            planes.append((offset, stride, rows, columns, sample))
            end = offset + stride * rows
        return planes

    def _flat(self) -> "numpy.ndarray[Any, Any]":
        import numpy
        # numpy holds on to the memoryview, and that to the frame and so to its memory.
        return numpy.frombuffer(memoryview(self), numpy.uint8)

    def _plane(self, offset: int, stride: int, rows: int, columns: int,
               sample: int) -> "numpy.ndarray[Any, Any]":
        """What the producer says may be wrong: numpy refuses what does not lie in the frame."""
        import numpy
        shape: Tuple[int, ...] = (rows, columns, sample)
        strides: Tuple[int, ...] = (stride, sample, 1)
        if sample == 1:
            shape, strides = shape[:2], strides[:2]
        return numpy.ndarray(shape, numpy.uint8, self._flat(), offset, strides)

    def __repr__(self) -> str:
        kind = "leased" if self.leased else "copied"
        return (f"<framering.Frame {self.number}: {self.codec}, {self.size} bytes"
                f"{', key' if self.key else ''}, {kind}>")
