#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The device kit's init scripts with the real programs, run by BusyBox and with nothing but BusyBox in
PATH. They know all their folders from a configuration of this test; they never look at the machine's."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

from harness import PATIENCE, StageTest, main, program, wait_until

KIT = pathlib.Path(__file__).resolve().parents[2] / "systemd" / "device"
BUSYBOX = shutil.which("busybox")
PROGRAMS = ("broker", "producer", "websocket")
NOBODY = 65534
NOT_RUNNING = 3  # of `status`, as the Linux Standard Base has it
WRONG_USE = 2


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def nobody_can_run(path):
    """Whether the user whom the viewer page runs as on a device gets at programs of this folder."""
    if os.geteuid() != 0:
        return False
    try:
        return subprocess.run([path, "--version"], user=NOBODY, capture_output=True).returncode == 0
    except PermissionError:
        return False


@unittest.skipUnless(BUSYBOX, "no busybox here: install busybox-static")
class DeviceTest(StageTest):
    """A device in a folder."""

    def setUp(self):
        super().setUp()
        self.root = self.stage.folder
        self.root.chmod(0o755)
        self.applets = self.root / "applets"
        self.applets.mkdir()
        subprocess.run([BUSYBOX, "--install", "-s", self.applets], check=True)
        self.env = {"PATH": str(self.applets), "FRAMERING_DIR": str(self.stage.socket_dir),
                    "FRAMERING_DEVICE_CONF": str(self.root / "device.conf"),
                    "FRAMERING_SYS": str(self.root / "sys")}

    def script(self, name, *arguments, code=0):
        """Returns what it said."""
        done = subprocess.run([self.applets / "sh", KIT / name, *arguments], env=self.env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=2 * PATIENCE)
        self.assertEqual(done.returncode, code, f"{name} {arguments}: {done.stdout}")
        return done.stdout


class Init(DeviceTest):
    def setUp(self):
        super().setUp()
        self.run = self.root / "run"
        (self.root / "bin").mkdir()
        for name in PROGRAMS:
            (self.root / "bin" / f"framering-{name}").symlink_to(program(f"framering-{name}"))
        self.as_nobody = nobody_can_run(program("framering-websocket"))
        self.configure()
        self.addCleanup(self.clear_away)

    def configure(self, **more):
        settings = {
            "bin": self.root / "bin", "run": self.run, "state": self.root / "state",
            "producer_options": "--source pattern --stream test --size 1000",
            "websocket_options": f"--listen 0.0.0.0:0 --token-secret-file {self.root}/state/secret "
                                 f"--tls-self-signed {self.root}/state/certificate", **more}
        if not self.as_nobody:
            settings["websocket_user"] = ""
        (self.root / "device.conf").write_text(
            "".join(f"{name}='{value}'\n" for name, value in settings.items()))

    def clear_away(self):
        for name in PROGRAMS:
            for kind in (".loop", ""):
                pid = self.pid(name + kind)
                if pid and alive(pid) and str(self.root) in self.command(pid):
                    os.kill(pid, signal.SIGKILL)

    def init(self, *arguments, code=0):
        return self.script("framering.init", *arguments, code=code)

    def command(self, pid):
        # The loop's own name is the script's; its configuration tells whose it is.
        return (pathlib.Path(f"/proc/{pid}/cmdline").read_text() +
                pathlib.Path(f"/proc/{pid}/environ").read_text())

    def pid(self, name):
        try:
            return int((self.run / f"{name}.pid").read_text() or 0)
        except FileNotFoundError:
            return 0

    def pids(self):
        return {name: self.pid(name) for name in PROGRAMS}

    def log(self, name):
        return (self.run / f"{name}.log").read_text()

    def wait_for_ready(self, name, times=1):
        # Not "framering-broker ended with code", which is the loop's.
        wait_until(lambda: len(re.findall(rf"^framering-{name}: ", self.log(name), re.M)) >= times,
                   PATIENCE, f"{name} ready: {self.log(name)}")

    def assert_streaming(self):
        self.stage.framering("cat", "test", "--verify", "--frames", 10, "--timeout", PATIENCE,
                             "--output", "/dev/null")

    def test_each_program_runs_streams_and_is_back_after_a_crash_unnoticed_by_the_others(self):
        self.init("status", code=NOT_RUNNING)
        self.init("start")
        for name in PROGRAMS:
            self.wait_for_ready(name)
        self.assert_streaming()
        self.assertEqual(self.init("status").count("runs, pid"), len(PROGRAMS))
        secret = self.root / "state" / "secret"
        self.assertRegex(secret.read_text(), r"^[0-9a-f]{64}$")
        self.assertEqual(secret.stat().st_mode & 0o777, 0o600)
        if self.as_nobody:
            status = pathlib.Path(f"/proc/{self.pid('websocket')}/status").read_text()
            self.assertRegex(status, rf"(?m)^Uid:\s+{NOBODY}\s")

        for victim in PROGRAMS:
            before = self.pids()
            os.kill(before[victim], signal.SIGKILL)
            wait_until(lambda: self.pid(victim) not in (0, before[victim]), PATIENCE, victim)
            after = self.pids()
            self.assertTrue(alive(after.pop(victim)))
            del before[victim]
            self.assertEqual(after, before)
            self.wait_for_ready(victim, times=2)
        self.assert_streaming()

        loops_and_programs = [self.pid(name + kind) for name in PROGRAMS for kind in (".loop", "")]
        self.init("stop")
        self.assertEqual([pid for pid in loops_and_programs if alive(pid)], [])
        self.assertEqual(list(self.run.glob("*.pid")), [])
        self.init("status", code=NOT_RUNNING)
        self.init("stop")  # is no fault

    def test_a_second_start_changes_nothing_and_a_restart_everything(self):
        self.init("start", "broker")
        first = self.pid("broker"), self.pid("broker.loop")
        self.assertIn("runs already", self.init("start", "broker"))
        self.assertEqual((self.pid("broker"), self.pid("broker.loop")), first)
        self.init("restart", "broker")
        self.assertEqual([pid for pid in first if alive(pid)], [])
        self.assertTrue(alive(self.pid("broker")))
        self.init("status", "broker")
        self.init("status", code=NOT_RUNNING)  # the others do not run
        self.init("stop", "broker")

    def test_a_pid_file_whose_number_somebody_else_has_now_is_not_believed(self):
        self.run.mkdir()
        with subprocess.Popen(["sleep", "600"]) as bystander:
            self.addCleanup(bystander.kill)
            for name in ("broker", "broker.loop"):
                (self.run / f"{name}.pid").write_text(f"{bystander.pid}\n")
            self.init("status", "broker", code=NOT_RUNNING)
            self.init("stop", "broker")
            self.assertIsNone(bystander.poll())
            for name in ("broker", "broker.loop"):
                (self.run / f"{name}.pid").write_text(f"{bystander.pid}\n")
            self.init("start", "broker")
            self.assertNotEqual(self.pid("broker"), bystander.pid)
            self.init("stop", "broker")
            self.assertIsNone(bystander.poll())
            bystander.kill()

    def test_what_a_killed_loop_leaves_is_told_and_taken_over(self):
        self.init("start", "broker")
        left = self.pid("broker")
        os.kill(self.pid("broker.loop"), signal.SIGKILL)
        self.assertIn("nothing watches it", self.init("status", "broker"))
        self.init("start", "broker")
        self.assertFalse(alive(left))
        self.assertTrue(alive(self.pid("broker")) and alive(self.pid("broker.loop")))
        self.init("stop", "broker")

    def test_pauses_grow_while_a_program_crashes_at_once(self):
        (self.root / "bin" / "framering-broker").unlink()
        (self.root / "bin" / "framering-broker").write_text("#!/bin/sh\nexit 70\n")
        (self.root / "bin" / "framering-broker").chmod(0o755)
        self.configure(longest_pause=1)
        subprocess.run([self.applets / "sh", KIT / "framering.init", "start", "broker"], env=self.env,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * PATIENCE)
        wait_until(lambda: self.log("broker").count("code 70; again in 1 s") >= 2, PATIENCE, "pauses")
        self.assertEqual(self.log("broker").count("again in 0 s"), 1)
        loop = self.pid("broker.loop")
        self.init("stop", "broker")
        self.assertFalse(alive(loop))

    def test_options_that_the_program_refuses_are_shown_and_not_tried_again(self):
        self.configure(broker_options="--no-such-option")
        self.assertIn("no-such-option", self.init("start", "broker", code=1))
        self.assertIn("code 2; it is not started again", self.log("broker"))
        self.init("status", "broker", code=NOT_RUNNING)

    def test_what_is_not_there_is_named(self):
        self.assertIn("'recorder'", self.init("start", "recorder", code=WRONG_USE))
        self.assertIn("usage", self.init("begin", code=WRONG_USE))
        (self.root / "bin" / "framering-broker").unlink()
        self.assertIn("bin/framering-broker", self.init("start", "broker", code=1))


class UsbWakeup(DeviceTest):
    def setUp(self):
        super().setUp()
        self.files = []
        for controller in ("4340000.usb", "4350000.usb"):
            power = self.root / "sys/bus/platform/drivers/dwc2" / controller / "power"
            power.mkdir(parents=True)
            self.files.append(power / "wakeup")
            self.files[-1].write_text("enabled\n")

    def states(self):
        return [file.read_text().strip() for file in self.files]

    def test_each_controller_is_told_not_to_wake_its_host(self):
        self.script("usb-wakeup", "start")
        self.assertEqual(self.states(), ["disabled"] * 2)
        self.assertRegex(self.script("usb-wakeup", "status"),
                         r"(?s)4340000.usb/power/wakeup: disabled.*'signalling skipped' in dmesg: \d+$")
        self.script("usb-wakeup", "stop")
        self.assertEqual(self.states(), ["enabled"] * 2)

    def test_without_such_a_controller_there_is_nothing_to_do(self):
        shutil.rmtree(self.root / "sys")
        self.script("usb-wakeup", "start")

    def test_a_controller_that_does_not_take_it_is_an_error(self):
        self.files[0].unlink()
        self.files[0].mkdir()
        self.assertIn("wakeup", self.script("usb-wakeup", "start", code=1))

    def test_a_wrong_command_changes_nothing(self):
        self.script("usb-wakeup", code=WRONG_USE)
        self.assertEqual(self.states(), ["enabled"] * 2)


if __name__ == "__main__":
    main()
