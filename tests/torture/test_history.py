#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of the torture is judged: each known fault, put into a sound history, is found."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from harness import main  # noqa: E402 (needs the path)
from history import INTACT, KEY, LEASED, PROTECTED, History, Reading, Record, Stream  # noqa: E402

MILLISECOND = 1_000_000
GOOD = INTACT | PROTECTED
GENERATION = 0xA


def published_ns(number):
    return number * 10 * MILLISECOND


def record(number, lost=0, generation=GENERATION, gop=4, late_ms=1, **changes):
    """Frame `number`, asked for and received `late_ms` after it was published."""
    at = published_ns(number)
    fields = {"generation": generation, "number": number, "lost_before": lost, "published_ns": at,
              "asked_ns": at + late_ms * MILLISECOND, "got_ns": at + late_ms * MILLISECOND + 1000,
              "flags": GOOD | (KEY if number % gop == 1 or gop == 1 else 0), "size": 100,
              "number_in_bytes": number}
    fields.update(changes)
    return Record(**fields)


def problems(*readings, gop=4, slots=16):
    history = History(Stream(gop=gop, slots=slots, size=100))
    for reading in readings:
        history.add(reading)
    return history.judge()


def reading(records, policy="every", name="one", max_lag=0, undisturbed=False):
    return Reading(name, policy, max_lag, list(records), undisturbed)


class AHistory(unittest.TestCase):
    def assert_found(self, text, found):
        self.assertTrue(any(text in problem for problem in found), f"no '{text}' in {found}")

    def test_that_is_sound_has_no_problem(self):
        whole = [record(n) for n in range(1, 21)]
        self.assertEqual(problems(reading(whole, undisturbed=True), reading(whole, "live", "two")), [])

    def test_that_tells_its_losses_and_goes_on_at_a_key_frame_is_sound(self):
        records = [record(1), record(2), record(9, lost=6), record(10)]
        self.assertEqual(problems(reading(records), reading([record(n) for n in range(1, 13)])), [])

    def test_with_a_revoked_lease_may_hold_garbage(self):
        garbage = record(2, flags=LEASED, number_in_bytes=77)
        self.assertEqual(problems(reading([record(1), garbage, record(3)])), [])

    def test_with_frames_swapped(self):
        self.assert_found("order", problems(reading([record(1), record(3, lost=1), record(2)])))

    def test_with_a_frame_twice(self):
        self.assert_found("order", problems(reading([record(1), record(2), record(2)])))

    def test_with_a_torn_frame(self):
        self.assert_found("torn", problems(reading([record(1), record(2, flags=PROTECTED)])))

    def test_with_the_bytes_of_another_frame(self):
        self.assert_found("another frame", problems(reading([record(1, number_in_bytes=2)])))

    def test_with_another_size(self):
        self.assert_found("size", problems(reading([record(1, size=99)])))

    def test_with_a_loss_that_nobody_told(self):
        self.assert_found("told 0", problems(reading([record(1), record(5)])))

    def test_with_a_told_loss_that_was_none(self):
        self.assert_found("told 3", problems(reading([record(1), record(2, lost=3)])))

    def test_with_no_key_frame_after_a_loss(self):
        self.assert_found("undecodable", problems(reading([record(1), record(4, lost=2)])))

    def test_with_no_key_frame_at_its_beginning(self):
        self.assert_found("undecodable", problems(reading([record(2)])))

    def test_without_inter_coding_needs_no_key_frame(self):
        self.assertEqual(problems(reading([record(1, gop=1), record(4, lost=2, gop=1)]), gop=1), [])

    def test_that_returns_to_a_former_generation(self):
        records = [record(1), record(1, generation=0xB), record(5, lost=3)]
        self.assert_found("left", problems(reading(records)))

    def test_that_lost_more_than_a_generation_had(self):
        records = [record(1), record(5, generation=0xB, lost=5)]
        self.assert_found("more lost", problems(reading(records)))

    def test_in_which_two_readers_saw_different_frames(self):
        other = record(2, published_ns=published_ns(2) - 5)
        self.assert_found("another reader saw", problems(
            reading([record(1), record(2)]), reading([record(1), other], name="two")))

    def test_with_a_frame_from_the_future(self):
        self.assert_found("before it was published", problems(
            reading([record(1, asked_ns=0, got_ns=published_ns(1) - 1)])))

    def test_with_a_loss_of_an_undisturbed_reader(self):
        records = [record(1), record(5, lost=3)]
        self.assert_found("nobody disturbed", problems(reading(records, undisturbed=True)))
        self.assertEqual(problems(reading(records)), [])

    def test_with_a_stale_frame_for_the_policy_newest(self):
        all_frames = reading([record(n, gop=1) for n in range(1, 21)], name="other")
        stale = [record(1, gop=1), record(2, gop=1, late_ms=85)]  # frame 9 was visible
        self.assert_found("stale", problems(reading(stale, "newest"), all_frames, gop=1))
        self.assertEqual(problems(reading(stale, "every"), all_frames, gop=1), [])

    def test_with_a_stale_frame_for_a_live_reader_that_had_caught_up(self):
        others = reading([record(n) for n in range(1, 41)], name="other")
        stale = [record(n) for n in (1, 2)] + [record(3, late_ms=105)]  # frame 12 was visible
        self.assert_found("stale", problems(reading(stale, "live", max_lag=6), others))
        self.assertEqual(problems(reading(stale, "live", max_lag=20), others), [])

    def test_with_a_frame_older_than_the_ring_keeps(self):
        others = reading([record(n) for n in range(1, 41)], name="other")
        self.assert_found("stale", problems(
            reading([record(1), record(2, late_ms=255)]), others, slots=16))


if __name__ == "__main__":
    main()
