#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real readers stopped, continued and killed at random, brokers and producers killed and restarted.

Judged from outside, by what each reader counted: the JSON line of `framering cat --verify`. No frame
may be torn, out of order or unaccounted for; a reader of every frame that nobody stopped loses none.
The seed decides what is done to whom and when; the machine decides what that meets.
"""

import argparse
import collections
import os
import pathlib
import random
import re
import signal
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--build", help="build folder (default: $FRAMERING_BUILD, else build)")
parser.add_argument("--seconds", type=float, default=10)
parser.add_argument("--seed", type=int, help="default: a new one each time; it is printed")
arguments = parser.parse_args()
if arguments.build:
    os.environ["FRAMERING_BUILD"] = arguments.build
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from harness import Stage, wait_until  # noqa: E402 (needs FRAMERING_BUILD and the path)

PACED, FLOOD = "torture/paced", "torture/flood"
PRODUCERS = {
    # A history of seconds, so that only a reader that was stopped has a reason to lose frames.
    PACED: ("--size", 100_000, "--fps", 250, "--history", "64M", "--slots", 1024),
    FLOOD: ("--size", 3_000, "--fps", 0),
}
READERS = 10
MAX_STOP_SECONDS = 1.5


class Reader:
    def __init__(self, stage, rng, number):
        self.stream = rng.choice([PACED, PACED, FLOOD])
        self.policy = rng.choice(["every", "live", "newest"])
        self.bell = rng.choice(["futex", "line", "eventfd"])
        self.lease = rng.random() < 0.4
        self.disturbed = False  # stopped, so that losing frames is its own business
        self.resume_at = None
        options = ["--verify", "--follow", "--policy", self.policy, "--bell", self.bell,
                   "--start", rng.choice(["key", "oldest", "head"])]
        self.process = stage.cat(f"reader-{number}", self.stream, *options,
                                 *(["--lease"] if self.lease else []))

    def __str__(self):
        return (f"{self.process.name} ({self.stream}, {self.policy}, {self.bell}"
                f"{', lease' if self.lease else ''})")

    def finish(self):
        self.process.resume()
        wait_until(self.catches_sigint, 10, f"{self.process.name} catches SIGINT")
        self.process.send(signal.SIGINT)
        self.process.wait(10)
        return self.process.report()

    def catches_sigint(self):
        """A reader that has only just been started would die of it without a report."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)[1], 16)
        return caught >> (signal.SIGINT - 1) & 1

    def problems(self, report):
        for key in ("torn", "wrong_order", "miscounted"):
            if report[key]:
                yield f"{key}: {report[key]}"
        if not report["balanced"]:
            yield "delivered and lost are not what was published"
        if (self.stream, self.policy, self.disturbed) == (PACED, "every", False) and \
                report["generations"] == 1 and report["lost"] != report["revoked"]:
            yield f"lost {report['lost']} frames though nobody stopped it"


class Torture:
    def __init__(self, stage, seed):
        self.stage = stage
        self.rng = random.Random(seed)
        self.readers = []
        self.reader_count = 0
        self.done = collections.Counter()
        self.totals = collections.Counter()
        self.problems = []
        self.broker = stage.broker()
        self.producers = {stream: self.start_producer(stream) for stream in PRODUCERS}
        for _ in range(READERS):
            self.add_reader()

    def start_producer(self, stream):
        return self.stage.pattern(*PRODUCERS[stream], stream=stream,
                                  name=f"producer-{stream.split('/')[1]}")

    def add_reader(self):
        self.readers.append(Reader(self.stage, self.rng, self.reader_count))
        self.reader_count += 1

    # What may happen; each chooses its victim.

    def stop_reader(self):
        reader = self.rng.choice(self.readers)
        reader.process.pause()
        reader.disturbed = True
        reader.resume_at = time.monotonic() + self.rng.uniform(0.001, MAX_STOP_SECONDS)

    def kill_reader(self):
        reader = self.readers.pop(self.rng.randrange(len(self.readers)))
        reader.process.kill()
        self.add_reader()

    def end_reader(self):
        self.judge(self.readers.pop(self.rng.randrange(len(self.readers))))
        self.add_reader()

    def kill_broker(self):
        self.broker.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.broker = self.stage.start(f"broker-{self.done['kill_broker']}",
                                       "framering-broker").wait_ready()

    def kill_producer(self):
        stream = self.rng.choice(list(PRODUCERS))
        self.producers[stream].kill()
        time.sleep(self.rng.uniform(0, 0.3))
        self.producers[stream] = self.start_producer(stream)

    def run(self, seconds):
        weights = {self.stop_reader: 12, self.kill_reader: 4, self.end_reader: 2,
                   self.kill_broker: 1, self.kill_producer: 1}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            action = self.rng.choices(list(weights), list(weights.values()))[0]
            action()
            self.done[action.__name__] += 1
            time.sleep(self.rng.expovariate(8))
            now = time.monotonic()
            for reader in self.readers:
                if reader.resume_at is not None and reader.resume_at <= now:
                    reader.process.resume()
                    reader.resume_at = None
        for reader in self.readers:
            self.judge(reader)
        for name, process in (("broker", self.broker), *self.producers.items()):
            if not process.running:
                self.problems.append(f"{name} ended by itself:\n{process.log[-2000:]}")

    def judge(self, reader):
        try:
            report = reader.finish()
        except (AssertionError, OSError) as error:
            self.problems.append(f"{reader}: {error}")
            return
        for key in ("delivered", "lost", "torn", "revoked"):
            self.totals[key] += report[key]
        self.problems += [f"{reader}: {problem}; {report}" for problem in reader.problems(report)]


def main():
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    stage = Stage()
    try:
        torture = Torture(stage, seed)
        torture.run(arguments.seconds)
    finally:
        stage.close(keep="KEEP_STAGE" in os.environ)
    print(", ".join(f"{name} {count}" for name, count in sorted(torture.done.items())))
    print(", ".join(f"{name} {count}" for name, count in torture.totals.items()))
    for problem in torture.problems:
        print(f"PROBLEM {problem}")
    if torture.totals["delivered"] == 0:
        torture.problems.append("no frame was delivered")
    print(f"torture: {'FAILED' if torture.problems else 'passed'}, {arguments.seconds:g} s, "
          f"{torture.reader_count} readers, seed {seed}")
    return 1 if torture.problems else 0


if __name__ == "__main__":
    sys.exit(main())
