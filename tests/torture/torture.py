#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tortures real brokers, producers and readers, and judges what the readers were handed.

Each step on a shared word, each system call, each message and each allocation of these processes is
a fault point (points.h), at which they are stopped, killed, held up, or made to fail; signals come
from outside as well, and descriptors and memory are taken away. What is then judged, by code that
has nothing of the library in it (history.py, campaign.py):

  order, no torn and no undecodable frame, every loss told, bounded staleness;
  every survivor goes on; who ends by itself says why, and never by a signal;
  nothing leaks: descriptors, mappings, private memory, names.

The seed decides what is done to whom; the machine decides what that meets. Exit code 1: a problem.
"""

import argparse
import os
import pathlib
import random
import statistics
import sys
import time

ROLES = ("producer", "broker", "reader")

parser = argparse.ArgumentParser(prog="./dev torture SECONDS", description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--build", help=argparse.SUPPRESS)
parser.add_argument("--seconds", type=float, default=10, help=argparse.SUPPRESS)
parser.add_argument("--seed", type=int, help="as an earlier run printed it; default: a new one")
parser.add_argument("--epoch", type=float, default=15, metavar="SECONDS",
                    help="how long before all readers end and are judged (15)")
parser.add_argument("--readers", type=int, default=9, help="at once (9)")
parser.add_argument("--cycles", type=int, metavar="N",
                    help="instead of SECONDS: kill a process of --role N times, each time at another "
                         "of its fault points, and look after each whether all others go on")
parser.add_argument("--role", choices=ROLES, default="producer", help="whom (producer)")
parser.add_argument("--points", action="store_true", help="at the end, each fault point that is "
                                                          "known and how often it struck")
arguments = parser.parse_args()
if arguments.build:
    os.environ["FRAMERING_BUILD"] = arguments.build
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from campaign import Campaign  # noqa: E402 (needs FRAMERING_BUILD and the path)
from faults import Faults  # noqa: E402
from harness import Stage  # noqa: E402


def torture(campaign, faults, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        campaign.begin_epoch()
        epoch_end = min(end, time.monotonic() + arguments.epoch)
        while time.monotonic() < epoch_end:
            faults.round()
            campaign.settle()
            campaign.counts["rounds"] += 1
        campaign.end_epoch()


def kill_over_and_over(campaign, faults, cycles):
    for cycle in range(cycles):
        if cycle % 100 == 0:
            if cycle:
                campaign.end_epoch()
            campaign.begin_epoch()
        faults.kill_cycle(arguments.role)
        campaign.settle()
        campaign.counts["cycles"] += 1
    campaign.end_epoch()


def report(campaign):
    print(", ".join(f"{count} {name}" for name, count in sorted(campaign.counts.items())))
    for role in ROLES:
        known, struck = campaign.known[role], campaign.struck[role]
        print(f"{role}: {len(known)} fault points known, {len(struck)} of them struck, "
              f"{sum(struck.values())} times")
        if arguments.points:
            for name, (_, passes) in sorted(known.items()):
                print(f"  {struck[name]:5} struck, {passes:8} passed  {name}")
    settled = sorted(campaign.settle_seconds)
    print(f"survivors had a fresh frame after {statistics.median(settled) * 1000:.0f} ms (median), "
          f"{settled[-1] * 1000:.0f} ms (worst)")
    for name, base in campaign.base.items():
        now = campaign.last_holdings[name]
        print(f"{name} without readers: {base[0]} descriptors, {base[1]} shared mappings, "
              f"{base[2]} KiB private; at the end {now[0]}, {now[1]}, {now[2]} KiB")


def main():
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    stage = Stage()
    try:
        streams = ["paced", "inter"] if arguments.cycles else ["paced", "inter", "tight"]
        campaign = Campaign(stage, rng, streams, 4 if arguments.cycles else arguments.readers)
        faults = Faults(campaign, rng)
        # What it is like without any fault: which points there are, and what is held at the end.
        campaign.begin_epoch(every_kind=True)
        time.sleep(0.5)
        campaign.end_epoch()
        if arguments.cycles:
            kill_over_and_over(campaign, faults, arguments.cycles)
        else:
            torture(campaign, faults, arguments.seconds)
        campaign.finish()
    finally:
        stage.close(keep="KEEP_STAGE" in os.environ)
    if not campaign.counts["frames"]:
        campaign.problem("no frame was handed out")
    if not any(campaign.struck[role] for role in ROLES):
        campaign.problem("no fault point struck")
    report(campaign)
    what = (f"{arguments.cycles} SIGKILL cycles of a {arguments.role}" if arguments.cycles
            else f"{arguments.seconds:g} s")
    verdict = f"FAILED, {len(campaign.problems)} problems" if campaign.problems else "passed"
    print(f"torture: {verdict}, {what}, seed {seed}")
    return 1 if campaign.problems else 0


if __name__ == "__main__":
    sys.exit(main())
