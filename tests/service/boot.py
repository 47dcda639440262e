#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The packages in a clean Debian 12: installed, booted, killed one by one, removed.

    boot.py FOLDER_WITH_DEBS [unittest's options]

Needs root, debootstrap, ffmpeg, and the network when it runs first: the Debian is kept in
$FRAMERING_DEBIAN, else in the user's cache. Nothing outside of it changes; machine.py says how.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import machine

DEBS = pathlib.Path()  # main() sets it
CACHE = pathlib.Path(os.environ.get("FRAMERING_DEBIAN") or
                     pathlib.Path.home() / ".cache/framering/debian-12")
# Killing and starting again, on a machine that may have much else to do: the best of so many.
TRIES = 3
BACK_SECONDS = 1.0
# What a package may leave: its configuration, recordings, and dpkg's own books. A guest that is switched off
# leaves systemd-logind's temporary folder.
MAY_STAY = re.compile(r"/(etc/framering|var/lib/framering-recorder|var/lib/dpkg|var/lib/systemd|var/cache|"
                      r"var/log|var/lib/apt|etc/(passwd|group|g?shadow|subuid|subgid)-?$|"
                      r"etc/ld\.so\.cache$|etc/\.pwd\.lock$|"
                      r"var/tmp/systemd-private-\w+-systemd-logind|share|\.host|run|tmp|dev|proc|sys)\b")
CONFIGURATION = """
[broker]
allow = ["read:test:gid=framering-consumer", "read:*:uid=0", "read:film:uid=framering-websocket",
         "read:film:uid=framering-webrtc", "read:film:uid=framering-recorder"]

[producer.test]
source = "pattern"
stream = "test"
size = "20K"
fps = 100

[producer.film]
source = "file"
stream = "film"
input = "/share/film.h264"
loop = true

[websocket]
listen = "127.0.0.1:8080"

[webrtc]
listen = "127.0.0.1:8081"

[recorder.film]
stream = "film"
output = "/var/lib/framering-recorder"
segment-seconds = 5
"""
INSTANCES = ("framering-producer@test.service", "framering-producer@film.service",
             "framering-recorder@film.service")
SERVICES = ("framering-broker.service", "framering-websocket.service", "framering-webrtc.service",
            "framering-exporter.service", *INSTANCES)


def install_dependencies(root, share):
    """What our packages depend on becomes part of the clean Debian, once."""
    ours = {path.name.split("_")[0] for path in share.glob("*.deb")}

    def planned(guest):
        plan = guest.once("sh", "-c", "apt-get install -s --no-install-recommends /share/*.deb", check=False)
        return set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE))

    with machine.Machine(root, share) as guest:
        if planned(guest) == ours:
            return
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    with machine.Machine(root, share, keep=True) as guest:
        guest.once("apt-get", "update", network=True)
        wanted = planned(guest) - ours
        print(f"# {len(wanted)} packages of Debian that ours depend on", flush=True)
        guest.once("apt-get", "install", "-y", "--no-install-recommends", *wanted, network=True)
        guest.once("apt-get", "clean")


class Boot(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.share = pathlib.Path(tempfile.mkdtemp(prefix="framering-share-"))
        cls.addClassCleanup(shutil.rmtree, cls.share)
        cls.share.chmod(0o755)
        for deb in DEBS.glob("*.deb"):
            if "-dbgsym_" not in deb.name:
                shutil.copy(deb, cls.share)
        machine.run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-t", "4",
                    "-pix_fmt", "yuv420p", "-g", "15", "-bf", "0", cls.share / "film.h264")
        root = machine.debian(CACHE)
        install_dependencies(root, cls.share)
        cls.guest = machine.Machine(root, cls.share)
        cls.addClassCleanup(cls.guest.__exit__)
        cls.before = cls.files()
        cls.installed = cls.guest.once("sh", "-c", "dpkg -i /share/*.deb")
        cls.with_packages = cls.files()
        cls.guest.write("/etc/framering/framering.toml", CONFIGURATION)
        cls.guest.once("useradd", "--system", "--groups", "framering-consumer", "viewer")
        cls.guest.once("useradd", "--system", "stranger")
        cls.guest.once("systemctl", "enable", *INSTANCES)
        started = time.monotonic()
        cls.state = cls.guest.boot("multi-user.target")
        print(f"# booted in {time.monotonic() - started:.1f} s", flush=True)

    @classmethod
    def files(cls):
        listing = cls.guest.once("find", "/", "-xdev", "-printf", "%p\\n")
        return {line for line in listing.splitlines() if line.startswith("/") and not MAY_STAY.match(line)}

    # ---- what the tests look at ----

    def show(self, unit, *properties):
        text = self.guest.run("systemctl", "show", unit, "--property=" + ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > deadline:
                log = self.guest.run("journalctl", "--no-pager", "-o", "cat", "-n", "40").stdout
                self.fail(f"not within {seconds} s: {what}\n{log}")
            time.sleep(0.05)
        return result

    def cat(self, stream, *options, user="viewer", check=False):
        return self.guest.run("framering", "cat", stream, *options, user=user, check=check)

    def head(self, stream):
        found = json.loads(self.guest.run("framering", "stat", stream, "--json").stdout)
        return (found[0] if isinstance(found, list) else found)["head"]

    def fetch(self, port, path):
        """The status line and body of an HTTP answer, from inside of the guest."""
        script = (f'exec 3<>/dev/tcp/127.0.0.1/{port}; '
                  f'printf "GET {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" >&3; cat <&3')
        return self.guest.run("timeout", "10", "bash", "-c", script, check=False).stdout

    # ---- tests; the names give their order ----

    def test_1_the_target_is_up_and_nothing_has_failed(self):
        self.assertEqual(self.state, "running", self.guest.run("systemctl", "--failed").stdout)
        for unit in ("framering.target", *SERVICES):
            self.wait(lambda: self.show(unit, "ActiveState")["ActiveState"] == "active", 20, unit)
        users = {unit: self.show(unit, "User")["User"] for unit in SERVICES}
        self.assertEqual(len(set(users.values())), len(SERVICES) - 1, users)  # two are producers
        self.assertNotIn("root", users.values())

    def test_2_streams_play(self):
        result = self.cat("test", "--verify", "--frames", 300, "--timeout", 10)
        self.assertEqual(result.returncode, 0, result.stderr)
        print("#", result.stderr.strip().splitlines()[-1])
        self.cat("film", "--frames", 60, "--timeout", 20, "--output", "/share/seen.h264", user="root",
                 check=True)
        seen = machine.run("ffprobe", "-v", "error", "-count_frames", "-show_entries",
                           "stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0",
                           self.share / "seen.h264", stdout=subprocess.PIPE).stdout.strip()
        self.assertEqual(seen, "h264,640,360,60")
        self.assertIn("<html", self.fetch(8080, "/"))
        self.assertIn("200 OK", self.fetch(8081, "/").splitlines()[0])
        self.assertRegex(self.fetch(9464, "/metrics"), r'(?m)^framering_\w+\{.*stream="test".*\} \d')
        recordings = lambda: self.guest.run("find", "/var/lib/framering-recorder", "-name", "*.mp4",
                                            "-size", "+50k").stdout.split()
        self.wait(recordings, 20, "a recording")

    def test_3_a_user_of_one_stream_is_refused_another(self):
        self.assertEqual(self.cat("test", "--frames", 5, "--timeout", 10, "--output", "/dev/null").returncode, 0)
        refused = self.cat("film", "--frames", 5, "--timeout", 10, "--output", "/dev/null")
        self.assertEqual(refused.returncode, 5, refused.stderr)
        print("#", refused.stderr.strip())
        stranger = self.cat("test", "--frames", 5, "--timeout", 2, "--output", "/dev/null", user="stranger")
        self.assertEqual(stranger.returncode, 5, stranger.stderr)
        self.assertIn("may not open /run/framering/consumer.sock", stranger.stderr)

    def kill(self, unit):
        """Seconds until it is active again, as systemd noted it."""
        before = self.show(unit, "MainPID")["MainPID"]
        killed = time.clock_gettime(time.CLOCK_MONOTONIC)
        self.guest.run("systemctl", "kill", "--signal=KILL", unit)

        def back():
            now = self.show(unit, "MainPID", "ActiveState", "ActiveEnterTimestampMonotonic")
            return now if now["MainPID"] not in ("0", before) and now["ActiveState"] == "active" else None
        state = self.wait(back, 20, f"{unit} again")
        return int(state["ActiveEnterTimestampMonotonic"]) / 1e6 - killed

    def test_4_who_is_killed_is_back_and_the_others_do_not_notice(self):
        for victim in SERVICES:
            # Of whom a frame would be missed: the stream that is not the victim's own.
            stream = "film" if victim == "framering-producer@test.service" else "test"
            others = {unit: self.show(unit, "MainPID") for unit in SERVICES if unit != victim}
            checks = ["--verify"] if stream == "test" else ["--output", "/dev/null"]
            watcher = self.guest.start("framering", "cat", stream, *checks, "--policy", "every",
                                       "--timeout", 10, user="root")
            time.sleep(0.5)
            first = self.head(stream)
            times = []
            while len(times) < TRIES and (not times or min(times) > BACK_SECONDS):
                times.append(self.kill(victim))
            time.sleep(0.5)
            last = self.head(stream)
            self.guest.run("pkill", "-INT", "-x", "framering", check=False)
            _, said = watcher.communicate(timeout=20)
            print(f"# {victim:34} back after {min(times):.3f} s; {stream}: {last - first} frames; "
                  f"{said.strip().splitlines()[-1] if said.strip() else ''}", flush=True)
            self.assertLessEqual(min(times), BACK_SECONDS, victim)
            self.assertGreater(last, first)
            if stream == "film":
                self.assertNotIn("lost", said)
            else:
                self.assertEqual(watcher.returncode, 0, said)
                report = json.loads(said.strip().splitlines()[-1])
                self.assertEqual(report["lost"], 0, report)
            for unit, state in others.items():
                self.assertEqual(self.show(unit, "MainPID"), state, f"{unit}, when {victim} was killed")

    def test_5_a_broker_that_hangs_is_replaced(self):
        before = self.show("framering-broker.service", "MainPID")["MainPID"]
        self.guest.run("systemctl", "kill", "--signal=STOP", "framering-broker.service")
        self.wait(lambda: self.show("framering-broker.service", "MainPID")["MainPID"] not in ("0", before),
                  30, "a new broker")
        self.assertEqual(self.cat("test", "--frames", 5, "--timeout", 10, "--output", "/dev/null").returncode, 0)

    def test_6_what_fails_at_once_is_tried_for_ever_with_pauses(self):
        unit, retry = "framering-producer@later.service", "retry-framering@framering-producer@later.service.service"
        self.guest.run("systemctl", "start", unit, check=False)
        self.wait(lambda: self.show(retry, "ActiveState")["ActiveState"] == "activating", 30, "a pause")
        self.assertEqual(self.show(unit, "Result")["Result"], "exit-code")
        self.guest.append("/etc/framering/framering.toml",
                          '\n[producer.later]\nsource = "pattern"\nstream = "later"\n')
        self.wait(lambda: self.show(unit, "ActiveState")["ActiveState"] == "active", 30, "another try")
        self.guest.run("systemctl", "stop", unit)

    def test_7_removal_leaves_configuration_and_recordings_only(self):
        packages = self.guest.run("sh", "-c", "dpkg-query -W -f '${Package}\\n' '*framering*'").stdout.split()
        self.guest.run("systemctl", "disable", "--now", *INSTANCES)  # who enabled them disables them
        self.guest.run("sh", "-c", "dpkg --remove " + " ".join(packages))
        self.assertEqual(self.guest.run("pgrep", "-a", "framering", check=False).stdout, "")
        self.assertEqual(self.guest.run("sh", "-c", "ls -d /run/framering*", check=False).stdout, "")
        self.assertIn("framering.toml", self.guest.run("ls", "/etc/framering").stdout)
        self.guest.run("sh", "-c", "dpkg --purge " + " ".join(packages))
        self.assertNotEqual(self.guest.run("ls", "/var/lib/framering-recorder").stdout, "")
        self.guest.stop()
        left = sorted(self.files() - self.before)
        print(f"# {len(self.with_packages - self.before)} files came, {len(left)} stayed")
        self.assertEqual(left, [])


def main():
    global DEBS
    if os.environ.get("FRAMERING_OWN_MOUNTS") != "yes":
        os.environ["FRAMERING_OWN_MOUNTS"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private", sys.executable, *sys.argv])
    DEBS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2, failfast=False)


if __name__ == "__main__":
    main()
