#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder killed at random moments: what its files hold then."""

import os
import random
import shutil
import time

from harness import main, wait_until
from recording import BARCODE, EXTENSIONS, Listener, RecorderTest, barcodes, is_run, make_film

ROUNDS = int(os.environ.get("FRAMERING_RECORDER_ROUNDS", "2"))  # the long form: 100
# What may be missing at a kill, seconds.
MARGIN = {"mp4": 0.5, "mkv": 1.0, "ts": 0.5}
FILM = 8  # seconds, over and over
FRAMES = FILM * 30


def is_film(numbers):
    """Each follows the one before, and the first the last."""
    return bool(numbers) and all((a + 1) % FRAMES == b for a, b in zip(numbers, numbers[1:]))


class Kills(RecorderTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("FRAMERING_SEED", random.randrange(1 << 31)))
        self.random = random.Random(self.seed)
        print(f"# seed {self.seed}")

    def kill_at_random_moments(self):
        """what was published a moment before a kill is in the file"""
        film = make_film(self.stage.folder / "bars.mp4", seconds=FILM, gop=120, source=BARCODE)
        self.film(film, "--loop", "--history", "16M", "--slots", 1024)
        listener = Listener(self.stage, "film")
        missing = {kind: [] for kind in EXTENSIONS}
        late = 0  # rounds in which a busy machine had the recorder wait
        for _ in range(ROUNDS):
            while True:
                lags = self.kill_all(listener)
                if all(lag < MARGIN[kind] for kind, lag in lags.items()):
                    break
                late += 1
                print(f"# once more: {lags}")
                self.assertLess(late, 8 + ROUNDS // 20, f"{lags}, seed {self.seed}")
            for kind, lag in lags.items():
                missing[kind].append(lag)
        for kind, lags in missing.items():
            print(f"# {kind}: {len(lags)} kills; the oldest missing frame was published "
                  f"{sorted(lags)[len(lags) // 2]:.3f} s (median), {max(lags):.3f} s (worst) before; "
                  f"{late} rounds again")

    def kill_all(self, listener):
        """One recorder for each container; how long before its kill its oldest missing frame was
        published."""
        folders = {kind: self.stage.folder / f"killed-{kind}" for kind in EXTENSIONS}
        recorders = {kind: self.record("film", "--format", kind, "--segment-seconds", 5,
                                       name=f"{kind}-{self.random.random()}", output=folder)
                     for kind, folder in folders.items()}
        for recorder in recorders.values():
            self.wait_for_bytes(recorder)
        still = self.longest_standstill(folders, self.random.uniform(1.5, 3))
        killed, lags = {}, {}
        for kind, recorder in recorders.items():
            killed[kind] = time.monotonic_ns()
            recorder.kill()
        listener.listen()
        for kind, folder in folders.items():
            # The newest file may have begun only just before.
            numbers = [number for file in self.files(folder)[-2:] for number in barcodes(file)]
            # The picture at the cut may be damaged: it does not count.
            whole = next((n for n in range(len(numbers), 0, -1) if is_film(numbers[:n])), 0)
            self.assertGreaterEqual(whole, max(1, len(numbers) - 1), f"{kind}: {numbers}")
            last = max(frame.number for frame in listener.frames
                       if (frame.number - 1) % FRAMES == numbers[whole - 1])
            missed = [frame.published_ns for frame in listener.frames
                      if last < frame.number and frame.published_ns < killed[kind]]
            lags[kind] = (killed[kind] - missed[0]) / 1e9 if missed else 0.0
            if still[kind] >= MARGIN[kind]:  # an unlucky moment for the kill was there
                lags[kind] = max(lags[kind], still[kind])
            shutil.rmtree(folder)
        return lags

    def longest_standstill(self, folders, seconds):
        """How long at most nothing was added to the files of each, in that time."""
        began = time.monotonic()
        seen = {kind: (0, began) for kind in folders}  # bytes, since when
        longest = dict.fromkeys(folders, 0.0)
        while (now := time.monotonic()) < began + seconds:
            for kind, folder in folders.items():
                size = sum(file.stat().st_size for file in self.files(folder))
                longest[kind] = max(longest[kind], now - seen[kind][1])
                if size != seen[kind][0]:
                    seen[kind] = (size, now)
            time.sleep(0.01)
        return longest

    def kill_and_start_again(self):
        """who is killed and started again misses nothing that the history holds"""
        film = make_film(self.stage.folder / "once.mp4", seconds=8, gop=15, source=BARCODE)
        producer = self.film(film, "--history", "16M", "--slots", 1024, "--linger-seconds", 14,
                             stream="once", name="once")
        recorder = self.record("once", name="first")
        wait_until(lambda: self.status(recorder, "once")["frames"] > 60, 20, "a recording")
        recorder.kill()
        with open(self.output / "index.jsonl", "a", encoding="ascii") as index:
            index.write('{"file": "torn')  # as a crash leaves it
        time.sleep(1)
        recorder = self.record("once", name="second")
        self.assertEqual(producer.wait(20), 0)
        self.assertEqual(recorder.stop(), 0)
        first, second = self.files()
        before, after = barcodes(first), barcodes(second)
        self.assertTrue(is_run(before) and is_run(after))
        self.assertEqual(sorted(set(before) | set(after)), list(range(240)))
        lines = self.index()
        self.assertEqual([line["file"] for line in lines], [first.name, second.name])
        self.assertTrue(lines[0]["recovered"])

    def test_a_recorder_that_is_killed(self):
        self.at_once(self.kill_at_random_moments, self.kill_and_start_again)


if __name__ == "__main__":
    main()
