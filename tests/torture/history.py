# SPDX-License-Identifier: Apache-2.0
"""Judges what readers were handed, from the records of witness.c and nothing else.

Of each reader: within a generation numbers rise and every gap was told; a generation that was left
does not return; no frame is torn; after a loss in an inter-coded stream comes a key frame first; what
it was handed was not older than its policy allows. Of all readers of a stream together: a frame is
the same for everybody who saw it.

Staleness needs no clock of ours and no patience: frame m + 1 was begun after m had become visible, so
whoever asked after m + 1 was published could see m. That holds however long anybody was stopped.
"""

import bisect
import collections
import dataclasses
import struct

# As struct record in witness.c.
RECORD = struct.Struct("<QQQQQQIIQ")
KEY, INTACT, PROTECTED, LEASED = 1, 2, 4, 8

Record = collections.namedtuple(
    "Record", "generation number lost_before published_ns asked_ns got_ns flags size number_in_bytes")


def read_log(path):
    """A record that a kill cut short is none."""
    data = path.read_bytes() if path.exists() else b""
    whole = len(data) - len(data) % RECORD.size
    return [Record._make(fields) for fields in RECORD.iter_unpack(data[:whole])]


@dataclasses.dataclass
class Stream:
    """What the producer of a stream was told to do."""
    gop: int
    slots: int
    size: int

    @property
    def inter_coded(self):
        return self.gop > 1


@dataclasses.dataclass
class Reading:
    """One reader's life."""
    name: str
    policy: str
    max_lag: int
    records: list
    undisturbed: bool = False  # nothing was done to it or its producer: a reader of all loses none


class History:
    """Of one stream: all readers' records, put together."""

    def __init__(self, stream):
        self.stream = stream
        self.readings = []
        self.frames = {}     # (generation, number) -> what everybody must have seen
        self.published = {}  # generation -> [(published_ns, number)], rising
        self.problems = []
        self.counts = collections.Counter()

    def add(self, reading):
        self.readings.append(reading)

    def judge(self):
        seen = collections.defaultdict(dict)
        for reading in self.readings:
            for record in reading.records:
                self._agrees(reading, record)
                seen[record.generation][record.number] = record.published_ns
        for generation, numbers in seen.items():
            self.published[generation] = sorted((at, number) for number, at in numbers.items())
        for reading in self.readings:
            self._judge_reading(reading)
        return self.problems

    def _problem(self, reading, record, text):
        self.counts["problems"] += 1
        if len(self.problems) < 50:
            self.problems.append(f"{reading.name}: frame {record.number} of generation "
                                 f"{record.generation:x}: {text}; {record}")

    def _agrees(self, reading, record):
        facts = (record.published_ns, record.size, record.flags & KEY)
        first = self.frames.setdefault((record.generation, record.number), facts)
        if first != facts:
            self._problem(reading, record, f"another reader saw {first}")

    def _judge_reading(self, reading):
        left = set()  # generations that are over
        previous = None
        caught_up = False
        for record in reading.records:
            self._judge_bytes(reading, record)
            if previous is None or record.generation != previous.generation:
                if record.generation in left:
                    self._problem(reading, record, "its generation had been left")
                if previous is not None:
                    left.add(previous.generation)
                    if record.lost_before >= record.number:
                        self._problem(reading, record, "more lost than its generation had")
                if self.stream.inter_coded and not record.flags & KEY:
                    self._problem(reading, record, "undecodable: a ring begun without a key frame")
                caught_up = False
            else:
                caught_up = self._judge_step(reading, previous, record, caught_up)
            caught_up = self._judge_age(reading, record, caught_up)
            previous = record

    def _judge_bytes(self, reading, record):
        self.counts["frames"] += 1
        self.counts["leased"] += bool(record.flags & LEASED)
        if record.size != self.stream.size:
            self._problem(reading, record, "not the size that was published")
        if not record.flags & PROTECTED:
            self.counts["revoked"] += 1
        elif not record.flags & INTACT:
            self._problem(reading, record, "torn")
        elif record.number_in_bytes != record.number:
            self._problem(reading, record, "the bytes of another frame")
        if not record.published_ns <= record.got_ns or record.asked_ns > record.got_ns:
            self._problem(reading, record, "handed out before it was published")

    def _judge_step(self, reading, previous, record, caught_up):
        """Within a generation. Whether the reader still counts as having been at the head."""
        if record.number <= previous.number:
            self._problem(reading, record, f"order: after frame {previous.number}")
            return caught_up
        lost = record.number - previous.number - 1
        self.counts["lost"] += lost
        if record.lost_before != lost:
            self._problem(reading, record, f"lost {lost} frames before it, told "
                                           f"{record.lost_before}")
        if lost and self.stream.inter_coded and not record.flags & KEY:
            self._problem(reading, record, f"undecodable: {lost} lost before it, and no key frame")
        if lost and reading.undisturbed and reading.policy == "every":
            self._problem(reading, record, f"lost {lost} frames though nobody disturbed anything")
        return caught_up and lost == 0

    def _judge_age(self, reading, record, caught_up):
        visible = self._visible(record.generation, record.asked_ns)
        behind = visible - record.number
        if behind <= 0:
            # At the head for sure only if the next frame was begun after it had this one.
            next_one = self.frames.get((record.generation, record.number + 1))
            return caught_up or (next_one is not None and next_one[0] > record.got_ns)
        self.counts["behind"] = max(self.counts["behind"], behind)
        bound = self.stream.slots  # further back, its slot holds another frame
        if reading.policy == "newest":
            # From the newest key frame on; one that is just being published hides the former.
            bound = self.stream.gop + 1
        elif reading.policy == "live" and reading.max_lag and caught_up:
            bound = max(reading.max_lag, 1)
        if behind > bound:
            self._problem(reading, record, f"stale: frame {visible} was there when it was asked "
                                           f"for, policy {reading.policy} allows {bound}")
        return caught_up

    def _visible(self, generation, at_ns):
        """The newest frame that was surely visible then: one that has a published successor."""
        published = self.published[generation]
        index = bisect.bisect_left(published, (at_ns, 0))
        return published[index - 1][1] - 1 if index else 0
