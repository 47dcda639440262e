#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package on rings built by hand: the golden vectors, raw pictures, and lies."""

import random
import struct
import unittest

import python_venv
from golden_ring import (CODEC, FRAME, HEAD, SLOT, STATE, GoldenBroker, GoldenRing, lines,
                         patches, word)
from harness import main

python_venv.enter()

import framering
import numpy

PAYLOAD = bytes.fromhex(lines("payload")[0][0])
PATIENCE = 10


def reader_of(broker, **options):
    return framering.Reader("golden", socket_dir=broker.socket_dir, policy="every", bell="line",
                            **options)


def raw(codec, width, height, data, strides=(0,) * 4, offsets=(0,) * 4):
    """A ring whose frame 3 is this picture."""
    return GoldenRing({CODEC: codec.encode(), SLOT + 24: word(len(data), "I"), FRAME: data,
                       SLOT + 76: codec.encode() + struct.pack("<10I", width, height, *strides,
                                                               *offsets)})


class Vectors(unittest.TestCase):
    def verdict(self, changes, lease):
        """What a reader makes of the ring, or else of its frame 3, in the words of the vectors.

        The header is as it is when the reader comes; then frame 3 is published.
        """
        header = {at: data for at, data in changes.items() if at < HEAD}
        ring = GoldenRing({**header, HEAD: word(2) + word(0)})
        with GoldenBroker(ring) as broker, reader_of(broker) as reader:
            try:
                self.wait_for_nothing(reader)
                ring.put(HEAD, word(3) + word(3))
                for at, data in changes.items():
                    ring.put(at, data)
                frame = reader.lease(0.02) if lease else reader.next(0.02)
            except framering.Refused as refusal:
                words = {"magic is missing": "not_ready", "newer layout": "newer_layout",
                         "older layout": "older_layout", "does not know": "unknown_flags",
                         "contradicts itself": "bad_sizes"}
                return next((verdict for part, verdict in words.items() if part in str(refusal)),
                            str(refusal))
            except framering.Timeout:
                status = reader.status()
                if status.link != "attached" and status.lost_lapped == 0:
                    return "nonsense"
                return "none" if status.link == "attached" and status.head == 0 else "given_up"
            self.assertEqual(frame.number, 3)
            bytes(frame)  # wherever it lies, it can be read
            return "whole"

    def wait_for_nothing(self, reader):
        """Until the reader has the ring, in which there is nothing for it yet."""
        for _ in range(1000):
            with self.assertRaises(framering.Timeout):
                reader.next(0.01)
            if reader.status().link == "attached":
                return
        self.fail("the reader gets no ring")

    def test_torn_lapped_dead_and_hostile_rings_are_what_the_vectors_say(self):
        states = lines("state")
        self.assertGreater(len(states), 40)
        for lease in (False, True):
            self.assertEqual({name: self.verdict(patches(changes), lease)
                              for name, _, *changes in states},
                             {name: verdict for name, verdict, *_ in states}, f"{lease=}")

    def test_the_golden_frame_is_read_as_it_says(self):
        says = {name: int(value) for name, value in lines("frame3")}
        with GoldenBroker(GoldenRing()) as broker, reader_of(broker) as reader:
            frame = reader.next(PATIENCE)
            for name in ("number", "published_ns", "size", "pts", "dts", "captured_ns",
                         "encoded_ns", "parameter_set", "flags", "width", "height"):
                self.assertEqual(getattr(frame, name), says[name], name)
            self.assertEqual(frame.fourcc, says["codec"])
            self.assertEqual(frame.stride, tuple(says[f"stride_{i}"] for i in range(4)))
            self.assertEqual(frame.plane_offset, tuple(says[f"plane_offset_{i}"] for i in range(4)))
            self.assertEqual(frame.colour, tuple(says[name] for name in (
                "primaries", "transfer", "matrix", "full_range")))
            self.assertEqual(bytes(frame.bytes), PAYLOAD)
            header = {name: int(value) for name, value in lines("header")}
            status = reader.status()
            self.assertEqual((status.generation, status.time_base_num, status.time_base_den,
                              status.history_frames, status.history_bytes, status.head),
                             (header["generation"], header["time_base_num"],
                              header["time_base_den"], header["slot_count"], header["arena_bytes"],
                              3))

    def test_parameter_sets_are_given_up_when_the_vectors_say_so(self):
        golden = bytes.fromhex(lines("set")[0][0])
        for name, verdict, *changes in lines("set_state"):
            with GoldenBroker(GoldenRing(patches(changes))) as broker, reader_of(broker) as reader:
                reader.next(PATIENCE)
                self.assertEqual(reader.parameter_set(1), golden if verdict == "whole" else None,
                                 name)


class Lies(unittest.TestCase):
    def test_random_bytes_in_the_ring_neither_crash_nor_hang(self):
        seed = random.randrange(2**32)
        print(f"# seed {seed}", flush=True)
        dice = random.Random(seed)
        places = [*range(HEAD, 296, 8), *range(SLOT, SLOT + 128, 4)]
        views = []
        for _ in range(100):
            ring = GoldenRing()
            with GoldenBroker(ring) as broker, reader_of(broker, state_changes=True) as reader:
                views.append(reader.lease(PATIENCE).bytes)
                for turn in range(20):  # or until the reader has let go of the ring
                    for _ in range(dice.randrange(4)):
                        ring.put(dice.choice(places), dice.choice(
                            [dice.randbytes(4), word(4, "I"), word(0, "I"), b"\xff" * 4]))
                    ring.put(HEAD, word(4 + turn))
                    try:
                        views.append((reader.lease(0) if turn % 2 else reader.next(0)).bytes)
                        views.append(views[-1].obj.array())
                    except (framering.Error, ValueError):
                        pass
        self.assertGreater(sum(int(numpy.frombuffer(view, numpy.uint8).sum()) for view in views
                               if len(view)), 0)

    def test_a_state_is_told_once(self):
        ring = GoldenRing()
        with GoldenBroker(ring) as broker, reader_of(broker, state_changes=True) as reader:
            self.assertEqual(reader.next(PATIENCE).number, 3)
            self.assertEqual(reader.state, framering.State.LIVE)
            ring.put(STATE, word(2, "I"))
            with self.assertRaises(framering.StateChanged) as told:
                reader.next(PATIENCE)
            self.assertEqual(told.exception.state, framering.State.NO_SIGNAL)
            with self.assertRaisesRegex(framering.Timeout, "no signal"):
                reader.next(0.05)

    def test_a_lease_that_was_taken_back_is_revoked(self):
        with GoldenBroker(GoldenRing()) as broker, reader_of(broker) as reader:
            with self.assertRaises(framering.Revoked):
                with reader.lease(PATIENCE) as frame:
                    self.assertTrue(frame.leased and frame.valid())
                    broker.bell.put(512, word(3))  # frame 3 in cell 0
                    self.assertFalse(frame.valid())
            self.assertFalse(frame.valid())
            self.assertEqual(reader.status().leases_revoked, 1)


class RawPictures(unittest.TestCase):
    def frame(self, *picture, **layout):
        with GoldenBroker(raw(*picture, **layout)) as broker, reader_of(broker) as reader:
            frame = reader.lease(PATIENCE)
            self.assertEqual(frame.codec, picture[0])
            return frame

    def test_planes_have_the_shape_that_the_frame_says(self):
        data = bytes(range(250)) * 40
        for codec, strides, offsets, shapes in [
                ("R8  ", (16, 0, 0, 0), (0,) * 4, [(6, 10)]),
                ("RG24", (48, 0, 0, 0), (4, 0, 0, 0), [(6, 10, 3)]),
                ("XR24", (0,) * 4, (0,) * 4, [(6, 10, 4)]),
                ("YUYV", (0,) * 4, (0,) * 4, [(6, 10, 2)]),
                ("NV12", (16, 16, 0, 0), (0, 96, 0, 0), [(6, 10), (3, 5, 2)]),
                ("YU12", (16, 8, 8, 0), (0, 100, 200, 0), [(6, 10), (3, 5), (3, 5)])]:
            planes = self.frame(codec, 10, 6, data, strides=strides, offsets=offsets).planes()
            self.assertEqual([plane.shape for plane in planes], shapes, codec)
            for plane, stride, offset in zip(planes, strides, offsets):
                self.assertEqual(plane.flat[0], data[offset], codec)
                self.assertEqual(plane[2].flat[0], data[offset + 2 * plane.strides[0]], codec)
                self.assertEqual(plane.strides[0], stride or 10 * plane.shape[-1], codec)
                self.assertFalse(plane.flags.writeable, codec)

    def test_luma_and_chroma_together_are_what_opencv_takes(self):
        data = bytes(range(240)) * 10
        nv12 = self.frame("NV12", 10, 6, data, strides=(16, 16, 0, 0), offsets=(0, 96, 0, 0))
        self.assertEqual(nv12.array().shape, (9, 10))
        self.assertEqual(nv12.array()[6, 0], data[96])
        i420 = self.frame("YU12", 8, 6, data)
        self.assertEqual(i420.array().tobytes(), data[:72])
        apart = self.frame("NV12", 10, 6, data, strides=(16, 16, 0, 0), offsets=(0, 100, 0, 0))
        with self.assertRaisesRegex(ValueError, "planes()"):
            apart.array()

    def test_a_picture_that_does_not_lie_in_its_frame_is_refused(self):
        data = bytes(90)
        for width, height, strides, offsets in [
                (10, 10, (10, 0, 0, 0), (0,) * 4), (10, 9, (10, 0, 0, 0), (1, 0, 0, 0)),
                (10, 2, (2**32 - 1, 0, 0, 0), (0,) * 4), (10, 2, (9, 0, 0, 0), (0,) * 4),
                (2**32 - 1, 2**32 - 1, (0,) * 4, (0,) * 4), (10, 2, (0,) * 4, (2**31, 0, 0, 0)),
                (0, 5, (0,) * 4, (0,) * 4)]:
            frame = self.frame("GREY", width, height, data, strides=strides, offsets=offsets)
            with self.assertRaises(ValueError, msg=f"{width} x {height}, {strides}, {offsets}"):
                frame.array()
        self.assertEqual(self.frame("GREY", 10, 9, data).array().shape, (9, 10))


if __name__ == "__main__":
    main()
