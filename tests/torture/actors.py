# SPDX-License-Identifier: Apache-2.0
"""The processes that are tortured: how each is started, and how it may end."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess

import harness
from history import RECORD, Reading, Record, Stream, read_log
from points import Points

harness.FOLDERS["framering-witness"] = "tests/torture"
TORTURED_LIBRARY = harness.BUILD / "tests/torture/libframering.so.0"


class Actor:
    """One process with its fault points, from start to end."""

    role = ""
    stream = None  # the broker serves them all
    count = 0

    def __init__(self, stage, binary, *arguments, arm=None):
        Actor.count += 1
        self.name = f"{self.role}-{Actor.count}"
        self.points = Points(stage.folder / f"{self.name}.points")
        if arm:
            self.points.arm(*arm)
        self.deadly = bool(arm) and arm[2] == "kill"  # an order to kill has been given
        self.killed = False   # by us
        self.stopped = False
        self.starved = False  # something was made to fail, or limited: it may give up
        self.disturbed = bool(arm)
        self.limits = {}
        environment = {"LD_PRELOAD": str(TORTURED_LIBRARY),
                       "FRAMERING_TORTURE_POINTS": str(self.points.path)}
        self.process = stage.start(self.name, binary, *arguments, env=environment)
        self.pid = self.process.pid

    def __str__(self):
        return self.name

    @property
    def running(self):
        return self.process.running

    def kill(self):
        self.killed = True
        self.process.kill()

    def limit(self, kind, amount):
        """Lowers a soft limit until lift_limits()."""
        try:
            before = resource.prlimit(self.pid, kind)
            resource.prlimit(self.pid, kind, (min(amount, before[1]) if before[1] >= 0 else amount,
                                              before[1]))
        except ProcessLookupError:
            return
        self.limits.setdefault(kind, before)
        self.starved = self.disturbed = True

    def release(self):
        """Whatever is done to it is over: no order, no limit, not stopped."""
        self.points.disarm()
        for kind, before in self.limits.items():
            try:
                resource.prlimit(self.pid, kind, before)
            except ProcessLookupError:
                pass
        self.limits.clear()
        if self.running:
            self.process.resume()
        self.stopped = False

    def why_it_must_not_have_ended_so(self):
        """None: killed by us, or it was short of something and says so in a sentence."""
        code = self.process.popen.returncode
        if code == -signal.SIGKILL and (self.killed or (self.deadly and self.points.fired)):
            return None
        lines = [line for line in self.process.log.splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        if self.starved and code > 0 and last.startswith("framering-") and ": " in last:
            return None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"{self.name} ended with {how}; its log ends: " + " | ".join(lines[-4:])

    def bury(self, stage):
        """After its end: nothing of it stays, since a run has thousands of them."""
        stage.processes.remove(self.process)
        for path in (self.process.log_path, self.process.output_path):
            path.unlink()
        self.points.close()

    def whereabouts(self):
        """What each of its threads waits for, and by which way it came there if gdb can tell."""
        lines = []
        for task in sorted(pathlib.Path(f"/proc/{self.pid}/task").iterdir()):
            try:
                name, channel, call = ((task / file).read_text().strip()
                                       for file in ("comm", "wchan", "syscall"))
            except OSError:
                continue
            lines.append(f"thread {task.name} {name} waits in {channel}, system call {call}")
        if shutil.which("gdb"):
            try:
                done = subprocess.run(["gdb", "-p", str(self.pid), "-batch", "-nx", "-ex",
                                       "thread apply all bt 24"], stdin=subprocess.DEVNULL,
                                      capture_output=True, timeout=30, check=False)
                lines += [line for line in done.stdout.decode(errors="replace").splitlines()
                          if line.startswith(("#", "Thread "))]
            except subprocess.TimeoutExpired:
                lines.append("gdb did not end")
        return lines

    # What it holds, as the kernel sees it.

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def highest_descriptor(self):
        return max((int(fd) for fd in os.listdir(f"/proc/{self.pid}/fd")), default=0)

    def shared_mappings(self):
        maps = pathlib.Path(f"/proc/{self.pid}/maps").read_text()
        return sum("/memfd:framering" in line for line in maps.splitlines())

    def status_kib(self, field):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        return 0


class Broker(Actor):
    role = "broker"

    def __init__(self, stage, arm=None):
        # Readers come and go by the hundred; the limit of attempts has tests of its own.
        super().__init__(stage, "framering-broker", "--attach-burst", 1000, "--attach-rate", 1000, arm=arm)


# So that a leased frame is in the way (tight), readers are lapped (inter), nobody is (paced).
STREAMS = {
    "paced": (Stream(gop=1, slots=1024, size=20_000), ("--fps", 150, "--history", "24M")),
    "inter": (Stream(gop=12, slots=64, size=3_000), ("--fps", 500, "--history", "256K")),
    "tight": (Stream(gop=1, slots=16, size=10_000), ("--fps", 250, "--history", "64K",
                                                    "--max-frame", "16K")),
}


class Producer(Actor):
    role = "producer"

    def __init__(self, stage, prefix, stream, arm=None):
        self.stream = stream
        facts, options = STREAMS[stream]
        super().__init__(stage, "framering-producer", "--source", "pattern", "--stream",
                         f"{prefix}/{stream}", "--size", facts.size, "--slots", facts.slots,
                         "--gop", facts.gop, *options, arm=arm)


class Reader(Actor):
    role = "reader"

    def __init__(self, stage, prefix, rng, stream=None, bell=None, arm=None):
        self.stream = stream or rng.choice(list(STREAMS))
        self.policy = rng.choice(["every", "live", "newest"])
        self.bell = bell or rng.choice(["futex", "line", "eventfd"])
        self.hold = rng.choice([0, 0, 1, 2, 5])
        self.max_lag = rng.choice([0, 8, 30]) if self.policy == "live" else 0
        self.log_path = stage.folder / f"reader-{Actor.count + 1}.records"
        super().__init__(stage, "framering-witness", f"{prefix}/{self.stream}", self.log_path,
                         self.policy, self.bell, rng.choice(["key", "oldest", "head"]), self.hold,
                         self.max_lag, arm=arm)

    def __str__(self):
        return (f"{self.name} ({self.stream}, {self.policy}, {self.bell}, holds {self.hold}, "
                f"max lag {self.max_lag})")

    def newest_record(self):
        try:
            with open(self.log_path, "rb") as log:
                size = os.fstat(log.fileno()).st_size
                if size < RECORD.size:
                    return None
                log.seek(size // RECORD.size * RECORD.size - RECORD.size)
                return Record._make(RECORD.unpack(log.read(RECORD.size)))
        except FileNotFoundError:
            return None

    def reading(self):
        """For the judge; the log goes with it."""
        records = read_log(self.log_path)
        self.log_path.unlink(missing_ok=True)
        undisturbed = not self.disturbed and self.stream == "paced"
        return Reading(str(self), self.policy, self.max_lag, records, undisturbed)
