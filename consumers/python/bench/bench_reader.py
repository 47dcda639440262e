#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Python adds: latency and processor time of a frame, beside the same library called from C.

One reader at a time, by turns, in processes of their own. A frame's latency ends when the program
has it: copied, or leased and untouched. Ratios are to C's copy; "C copy again" is the spread that
this machine has by itself.
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "e2e"))
import python_venv
from harness import BUILD, Stage

LANES = ["C copy", "C copy again", "C lease", "Python next", "Python next_into", "Python lease"]
LOADS = [("100 KB at 250/s", 100_000, 250, "4M"), ("3.1 MB at 60/s", 3_110_400, 60, "24M")]
WARM = 20  # frames


def read(way, stream, seconds):
    """One lane in Python; prints what reader_lane.c prints."""
    import framering
    reader = framering.Reader(stream, start="head")
    buffer = bytearray(4_000_000) if way == "next_into" else None
    latencies = []

    def one():
        if way == "lease":
            with reader.lease() as frame:
                came = time.monotonic_ns()
        else:
            frame = reader.next() if buffer is None else reader.next_into(buffer)
            came = time.monotonic_ns()
        latencies.append(came - frame.published_ns)
        return came
    for _ in range(WARM):
        one()
    latencies.clear()
    began, end = resource.getrusage(resource.RUSAGE_SELF), time.monotonic_ns() + seconds * 1e9
    while one() < end:
        pass
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds_used = used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime
    print(seconds_used * 1e6 / len(latencies), *latencies, sep="\n")


def run(lane, env, seconds):
    """Processor µs for each frame, and the latencies in µs, sorted."""
    language, way = lane.split()[:2]
    program = [BUILD / "consumers/python/reader_lane"] if language == "C" else [sys.executable,
                                                                                __file__, "--lane"]
    done = subprocess.run([*program, way, "bench", str(seconds)], env=env, check=True, timeout=120,
                          capture_output=True, text=True)
    cpu, *latencies = [float(line) for line in done.stdout.split()]
    return cpu, sorted(one / 1000 for one in latencies)


def measure(size, fps, history, rounds, seconds):
    """For each lane what `run` gives: the median of the rounds' processor times, all latencies."""
    stage = Stage()
    try:
        stage.broker()
        stage.pattern("--size", size, "--fps", fps, "--history", history, stream="bench")
        came = {lane: [] for lane in LANES}
        for _ in range(rounds):
            for lane in LANES:
                came[lane].append(run(lane, stage.env, seconds))
    finally:
        stage.close()
    return {lane: (statistics.median(cpu for cpu, _ in turns),
                   sorted(one for _, latencies in turns for one in latencies))
            for lane, turns in came.items()}


def show(title, results):
    print(f"\n{title:20}     frames      p50      p99      max   ratio   CPU/frame   ratio   (µs)")
    base_cpu, base = results[LANES[0]]
    base_p50 = statistics.median(base)
    for lane, (cpu, latencies) in results.items():
        p50 = statistics.median(latencies)
        print(f"  {lane:20} {len(latencies):8} {p50:8.1f} {latencies[len(latencies) * 99 // 100]:8.1f}"
              f" {latencies[-1]:8.0f} {p50 / base_p50:7.2f} {cpu:11.1f} {cpu / base_cpu:7.2f}")


def main():
    if sys.argv[1:2] == ["--lane"]:
        return read(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only shows that it works")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}")
    for title, size, fps, history in LOADS:
        results = measure(size, fps, history, *((1, 0.2) if quick else (5, 2)))
        show(title, results)
        if not all(latencies for _, latencies in results.values()):
            return "a lane got no frames"
    return None


if __name__ == "__main__":
    python_venv.enter()
    sys.exit(main())
