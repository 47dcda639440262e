#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs: the recorder beside `ffmpeg -c copy`, both making the same fragmented MP4.

1080p30 at 8 Mbit/s, the same pictures at the same time. ffmpeg twice: from a pipe, which is what a
stream is to it, and from the film itself, which saves it the search for pictures in the pipe. CPU is
what the kernel accounts to all threads (schedstat), over FRAMERING_BENCH_SECONDS (30). Fails if the
recorder takes more than 1.2 times the cheaper ffmpeg, or more than 12 MiB of memory of its own.
"""

import os
import pathlib
import subprocess
import sys
import time

from harness import Stage, program, wait_until
from recording import anonymous_kib

SECONDS = float(os.environ.get("FRAMERING_BENCH_SECONDS", "30"))
FRAGMENTS = ("-c", "copy", "-movflags", "empty_moov+default_base_moof+frag_keyframe",
             "-frag_duration", "300000", "-f", "mp4")


def cpu_s(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def start(stage):
    film = stage.folder / "film.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30",
                    "-t", "10", "-vf", "noise=alls=12:allf=t", "-c:v", "libx264", "-preset",
                    "ultrafast", "-g", "30", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "4M",
                    "-pix_fmt", "yuv420p", film], check=True)
    stage.broker()
    stage.start("producer", "framering-producer", "--source", "file", "--input", film, "--stream",
                "film", "--loop", "--history", "16M").wait_ready()
    recorder = stage.start("recorder", "framering-recorder", "film", "--output",
                           stage.folder / "video", "--sync-seconds", 0).wait_ready()
    cat = subprocess.Popen([program("framering"), "cat", "film"], env=stage.env,
                           stdout=subprocess.PIPE)
    quiet = ["ffmpeg", "-nostdin", "-y", "-v", "error"]
    piped = subprocess.Popen([*quiet, "-f", "h264", "-framerate", "30", "-i", "-", *FRAGMENTS,
                              stage.folder / "piped.mp4"], stdin=cat.stdout)
    filmed = subprocess.Popen([*quiet, "-re", "-stream_loop", "-1", "-i", film, *FRAGMENTS,
                               stage.folder / "filmed.mp4"], stdin=subprocess.DEVNULL)
    running = {"framering-recorder": recorder.pid, "ffmpeg, from a pipe": piped.pid,
               "ffmpeg, from the film": filmed.pid}
    return running, [cat, piped, filmed]


def main():
    stage = Stage()
    others = []
    try:
        running, others = start(stage)
        files = [stage.folder / name for name in ("piped.mp4", "filmed.mp4")]
        wait_until(lambda: all(f.exists() and f.stat().st_size > 100_000 for f in files), 30, "files")
        time.sleep(3)
        before = {name: cpu_s(pid) for name, pid in running.items()}
        sizes = {name: 0 for name in running}
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(0.2)
            sizes = {name: max(sizes[name], anonymous_kib(pid)) for name, pid in running.items()}
        took = time.monotonic() - began
        cpu = {name: cpu_s(pid) - before[name] for name, pid in running.items()}
    finally:
        for process in others:
            process.kill()
            process.wait()
        stage.close()
    cheapest = min(cpu["ffmpeg, from a pipe"], cpu["ffmpeg, from the film"])
    print(f"1080p30, 8 Mbit/s, {took:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, seconds in cpu.items():
        print(f"  {name:22} {100 * seconds / took:6.3f} % of a core  {seconds / cheapest:5.2f}x  "
              f"RssAnon {sizes[name]} KiB")
    if cpu["framering-recorder"] > 1.2 * cheapest or sizes["framering-recorder"] > 12 << 10:
        sys.exit("the recorder costs more than it should")


if __name__ == "__main__":
    main()
