# SPDX-License-Identifier: Apache-2.0
"""What the process tests have in common: a stage on which real programs run, judged from outside.

Each test has a stage: a folder of its own with the sockets and every program's log. Whatever was
started is stopped when the stage closes, and dies with the test should that be killed.
"""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ.get("FRAMERING_BUILD", "build")).resolve()
FOLDERS = {
    "framering": "consumers/cli",
    "framering-broker": "broker",
    "framering-exporter": "consumers/exporter",
    "framering-producer": "producer",
    "framering-recorder": "consumers/recorder",
    "framering-webrtc": "consumers/webrtc",
    "framering-websocket": "consumers/websocket",
    "kvm-standin-ctl": "tests/vendor_standin",
    "libkvm_mmf.so": "tests/vendor_standin",
}
PR_SET_PDEATHSIG = 1
# Seconds: how long at least is waited for anything, since the machine may be slow and busy. It costs
# nothing where it comes; what has to come within less is measured, not waited for.
PATIENCE = 30
LIBC = ctypes.CDLL(None, use_errno=True)


def program(name):
    return str(BUILD / FOLDERS[name] / name)


def wait_until(condition, seconds, what):
    """Calls `condition` until it gives something true, and returns that."""
    seconds = max(seconds, PATIENCE)
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def measure_again(measure, limit, attempts=5):
    """What `measure` gives, once that is within the limit: a machine that others use too is late now
    and then, but not every time. After the last attempt, an assertion fails."""
    taken = []
    for _ in range(attempts):
        taken.append(measure())
        if taken[-1] <= limit:
            return taken[-1]
    raise AssertionError(f"over {limit} in each of {attempts} attempts: {taken}")


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A running program: its log (stderr) and, when asked for, its output (stdout) are files."""

    def __init__(self, stage, name, arguments, env):
        self.name = name
        self.log_path = stage.folder / f"{name}.log"
        self.output_path = stage.folder / f"{name}.out"
        # Of a program that had the same log before.
        self.old_log_bytes = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log, open(self.output_path, "ab") as output:
            self.popen = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=env,
                start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self.popen.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def running(self):
        return self.popen.poll() is None

    def wait_ready(self, seconds=PATIENCE):
        """For the one line `PROGRAM: sentence` that every program says when it is ready."""
        def ready():
            said = self.log_path.read_bytes()[self.old_log_bytes:].decode(errors="replace")
            if re.search(r"^framering-[a-z]+: ", said, re.MULTILINE):
                return True
            if not self.running:
                raise AssertionError(f"{self.name} ended before it was ready:\n{self.log}")
            return False
        wait_until(ready, seconds, f"{self.name} ready; its log:\n{self.log}")
        return self

    def send(self, number):
        """To the process and the children it supervises."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def pause(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def kill(self):
        self.send(signal.SIGKILL)
        self.popen.wait()

    def wait(self, seconds):
        """The exit code. After that time, an assertion fails."""
        seconds = max(seconds, PATIENCE)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s:\n{self.log}") from None

    def stop(self, seconds=PATIENCE):
        """As a service manager would: SIGTERM, then SIGKILL. Returns the exit code."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        self.send(signal.SIGKILL)
        return self.popen.wait()

    def report(self):
        """The JSON line of `framering cat --verify`."""
        lines = [line for line in self.log.splitlines() if line.startswith("{")]
        if not lines:
            raise AssertionError(f"{self.name} printed no JSON line:\n{self.log}")
        return json.loads(lines[-1])

    def voluntary_switches(self):
        """How often its threads have gone to sleep: each is a wake-up. Children not included."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            text = (task / "status").read_text()
            total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[1])
        return total


class Stage:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="framering-e2e-"))
        self.socket_dir = self.folder / "sockets"
        self.faults = self.folder / "faults"
        self.processes = []
        self.env = dict(os.environ, FRAMERING_DIR=str(self.socket_dir),
                        KVM_STANDIN_CONTROL=str(self.faults))
        self.env.pop("KVM_STANDIN_DISPLAY", None)
        self.env.pop("NOTIFY_SOCKET", None)

    def close(self, keep=False):
        for process in reversed(self.processes):
            process.stop(5)  # the test may have failed with one that hangs
        if keep:
            print(f"# logs are kept in {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, log_name, binary, *arguments, env=None, wrapper=()):
        """Starts a program; `log_name` may come again, and its log then goes on. `wrapper`: the words of
        a command that becomes the program."""
        process = Process(self, log_name, [*wrapper, program(binary), *map(str, arguments)],
                          dict(self.env, **(env or {})))
        self.processes.append(process)
        return process

    def broker(self):
        return self.start("broker", "framering-broker").wait_ready()

    def pattern(self, *arguments, stream="test", name="producer"):
        return self.start(name, "framering-producer", "--source", "pattern", "--stream", stream,
                          *arguments).wait_ready()

    def kvm(self, *arguments, env=None):
        return self.start("producer", "framering-producer", "--source", "kvm", "--library",
                          program("libkvm_mmf.so"), "--stream", "hdmi", *arguments,
                          env=env).wait_ready()

    def cat(self, name, stream, *arguments):
        return self.start(name, "framering", "cat", stream, *arguments)

    def framering(self, *arguments, seconds=60, check=True):
        done = subprocess.run([program("framering"), *map(str, arguments)], env=self.env,
                              capture_output=True, timeout=seconds, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"framering {' '.join(map(str, arguments))}: exit code "
                                 f"{done.returncode}\n{done.stderr.decode(errors='replace')}")
        return done

    def stat(self, stream):
        return json.loads(self.framering("stat", stream, "--json").stdout)[0]

    def streams(self):
        return {one["name"]: one for one in json.loads(self.framering("ls", "--json").stdout)}

    def wait_for_stream(self, stream, seconds=PATIENCE):
        wait_until(lambda: stream in self.streams(), seconds, f"stream {stream}")

    def wait_for_state(self, stream, states, seconds):
        """Returns the state that came."""
        last = []

        def look():
            stream_now = self.streams().get(stream)
            last[:] = [stream_now["state"] if stream_now else "gone"]
            return last[0] if last[0] in states else None
        try:
            return wait_until(look, seconds, "")
        except AssertionError:
            raise AssertionError(f"{stream} did not become {' or '.join(states)} within "
                                 f"{seconds} s; it is {last[0]}") from None

    def inject(self, *command):
        """Tells the stand-in library which fault to have."""
        def told():
            done = subprocess.run([program("kvm-standin-ctl"), str(self.faults), *map(str, command)],
                                  capture_output=True, timeout=PATIENCE, check=False)
            return done.returncode == 0
        wait_until(told, PATIENCE, f"the stand-in takes the command {command}")


class StageTest(unittest.TestCase):
    """A test case on a stage."""

    maxDiff = None

    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self._close)

    def _close(self):
        failed = not self._outcome.success
        if failed:
            for process in self.stage.processes:
                for line in process.log.splitlines()[-8:]:
                    print(f"# {process.name}: {line}", flush=True)
        self.stage.close(keep=failed and "KEEP_STAGE" in os.environ)

    def assert_clean(self, report, **expected):
        """Nothing torn, nothing out of order, every frame accounted for."""
        expected = {"torn": 0, "wrong_order": 0, "miscounted": 0, "balanced": True, **expected}
        self.assertEqual({key: report[key] for key in expected}, expected, report)
        self.assertGreater(report["delivered"], 0, report)


class _Tap(unittest.TestResult):
    """Test Anything Protocol, which meson counts case by case."""

    def __init__(self, count):
        super().__init__()
        self.number = 0
        print(f"1..{count}", flush=True)

    def _line(self, word, test, note=""):
        self.number += 1
        sentence = test.shortDescription() or test.id().split(".")[-1].replace("_", " ")
        seconds = time.monotonic() - self.began
        print(f"{word} {self.number} - {sentence.replace('#', ' ')}{note}", flush=True)
        print(f"# {seconds:.1f} s", flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def addSuccess(self, test):
        self._line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("ok", test, f" # SKIP {reason}")

    def _bad(self, test, error):
        self._line("not ok", test)
        text = self._exc_info_to_string(error, test)
        print("\n".join(f"# {line}" for line in text.splitlines()), flush=True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._bad(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self._bad(test, error)


def main():
    """Runs the test cases of the calling script; arguments choose those whose name contains one."""
    suite = unittest.TestSuite(
        test for group in unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
        for test in group
        if len(sys.argv) == 1 or any(word in test.id() for word in sys.argv[1:]))
    result = _Tap(suite.countTestCases())
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
