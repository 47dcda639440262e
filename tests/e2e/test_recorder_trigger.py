#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What was before a trigger is in its clip, from the ring's history; the same without a recorder."""

import contextlib
import datetime
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

from harness import main, program, wait_until
from recording import BARCODE, Listener, RecorderTest, barcodes, decode, is_run, make_film

PRE, POST, GROUP = 3, 1, 1.0
MOVES = (6.0, 6.2)  # seconds of the film in which its frames are large
ROUNDING_NS = 3e6  # the index has whole milliseconds
HISTORY = ("--history", "16M", "--slots", 1024)


class Triggers(RecorderTest):
    def setUp(self):
        super().setUp()
        self.film_path = make_film(
            self.stage.folder / "bars.mp4", seconds=11, gop=30, source=BARCODE,
            filters=f"noise=alls=60:allf=t:enable='between(t,{MOVES[0]},{MOVES[1]})'")

    def listen_until(self, listener, seconds):
        """Until that much of the film was published, or it is over."""
        wait_until(lambda: listener.listen(0.05) or len(listener.frames) >= seconds * 30, 30,
                   f"{seconds} s of the film")

    def check_clip(self, listener, output, earliest_ns, latest_ns):
        """The clip of a trigger between those times, by the numbers in its pictures."""
        file, = self.files(output)
        line, = self.index(output)
        decode(file)
        numbers = barcodes(file)
        self.assertTrue(is_run(numbers), numbers)
        self.assertEqual((line["frames"], line["frames_lost"]), (len(numbers), 0))
        told = datetime.datetime.fromisoformat(line["trigger"].replace("Z", "+00:00"))
        trigger_ns = told.timestamp() * 1e9 - (time.time_ns() - time.monotonic_ns())
        self.assertGreaterEqual(trigger_ns, earliest_ns - ROUNDING_NS)
        self.assertLessEqual(trigger_ns, latest_ns + ROUNDING_NS)
        published = {frame.number: frame for frame in listener.frames}
        first, last = published[numbers[0] + 1], published[numbers[-1] + 1]
        self.assertTrue(first.key, "begins with a key frame")
        before = (trigger_ns - first.captured_ns) / 1e9
        after = (last.captured_ns - trigger_ns) / 1e9
        print(f"# {output.name}: from {before:.3f} s before the trigger to {after:.3f} s after")
        self.assertGreaterEqual(before, PRE - ROUNDING_NS / 1e9)
        self.assertLessEqual(before, PRE + GROUP + 0.1)
        self.assertGreaterEqual(after, POST - 0.1)
        self.assertLessEqual(after, POST + 0.5)

    def clips(self):
        """a clip begins at a key frame before the trigger, by every way to trigger"""
        listener = Listener(self.stage, "film")
        folders = {way: self.stage.folder / way for way in ("operator", "http", "signal", "motion")}
        window = ("--pre-seconds", PRE, "--post-seconds", POST, "--trigger")
        recorders = {way: self.record("film", *window, way, name=way, output=folder,
                                      *(("--motion-bytes", "3000") if way == "motion" else ()),
                                      *(("--listen", "127.0.0.1:0") if way == "http" else ()))
                     for way, folder in folders.items()}
        self.recorders_are_there.set()
        self.listen_until(listener, 5)
        times = {}
        port = int(re.search(r"127\.0\.0\.1:(\d+)", recorders["http"].log)[1])
        with self.between(times, "operator"):
            done = self.stage.framering("trigger", "film")
        self.assertIn(b"without --trigger operator", done.stderr, "the other three say no")
        with self.between(times, "http"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/trigger")
            self.assertEqual(connection.getresponse().status, 202)
        with self.between(times, "signal"):
            recorders["signal"].send(signal.SIGUSR1)
            wait_until(lambda: self.status(recorders["signal"])["triggers"], 5, "a signal")
        self.listen_until(listener, 10.6)
        moving = next(frame for frame in listener.frames if not frame.key and frame.size >= 3000)
        times["motion"] = (moving.captured_ns, moving.captured_ns)
        for way, folder in folders.items():
            wait_until(lambda: self.index(folder), 10, f"the clip of {way}: {recorders[way].log}")
            self.check_clip(listener, folder, *times[way])
            self.assertEqual(self.status(recorders[way])["recording"], False)

    @contextlib.contextmanager
    def between(self, times, way):
        began = time.monotonic_ns()
        yield
        times[way] = (began, time.monotonic_ns())

    def refusals(self):
        """more seconds than the history holds are refused, and so are senseless wishes"""
        recorder = self.record("short", "--pre-seconds", 60, "--trigger", "operator", name="pre")
        self.film(self.film_path, stream="short", name="short")
        self.assertEqual(recorder.wait(20), 2, recorder.log)
        self.assertIn("--history", recorder.log)
        self.assertIn("--slots", recorder.log)
        for wrong in (("--pre-seconds", 3), ("--trigger", "motion"), ("--trigger", "thought"),
                      ("--listen", "0.0.0.0:0"), ("--segment-seconds", -1), ("--format", "avi")):
            recorder = self.record("short", *wrong, name="wrong", ready=False)
            self.assertNotEqual(recorder.wait(10), 0, wrong)
            self.assertIn(wrong[0], recorder.log)
            recorder.log_path.unlink()

    def permissions(self):
        """who may trigger, and what a web page is told"""
        recorder = self.record("other/film", "--listen", "127.0.0.1:0", name="other")
        port = int(re.search(r"127\.0\.0\.1:(\d+)", recorder.log)[1])

        def ask(method, path, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(method, path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        self.assertEqual(ask("POST", "/trigger")[0], 409)
        self.assertEqual(ask("POST", "/trigger", Origin="http://evil.example")[0], 403)
        self.assertEqual(ask("GET", "/etc/passwd")[0], 404)
        self.assertEqual(json.loads(ask("GET", "/status")[1])["mode"], "continuous")
        self.assertIn("\nframering_recorder_frames_lost_total{stream=\"other/film\"} 0\n",
                      ask("GET", "/metrics")[1])
        done = self.stage.framering("trigger", "other/film", check=False)
        self.assertEqual((done.returncode, b"all the time" in done.stderr), (5, True), done.stderr)
        done = self.stage.framering("trigger", "other-film", check=False)
        self.assertEqual(done.returncode, 4)

    def exports(self):
        """export takes the last seconds out of the history, and shows how far it is"""
        listener = Listener(self.stage, "film")
        self.listen_until(listener, 4)
        for extension in ("mp4", "mkv", "ts"):
            clip = self.stage.folder / f"clip.{extension}"
            listener.listen()
            newest = listener.frames[-1].number
            self.stage.framering("export", "film", "--last", 2, "-o", clip)
            numbers = barcodes(clip)
            self.assertTrue(is_run(numbers), numbers)
            self.assertEqual(numbers[0] % 30, 0, "begins with a key frame")
            self.assertGreaterEqual(numbers[-1] + 1, newest)
            self.assertGreaterEqual(len(numbers), 2 * 30)
            self.assertLessEqual(len(numbers), (2 + GROUP) * 30 + 1)
            decode(clip)
        clip = self.stage.folder / "all.mp4"
        done = self.stage.framering("export", "film", "--last", 600, "-o", clip)
        self.assertIn(b"--history", done.stderr)
        self.assertEqual(barcodes(clip)[0], 0)
        for wrong, code in ((("film", "--last", 2, "-o", self.stage.folder / "clip.avi"), 2),
                            (("film", "--last", 2, "-o", "/proc/clip.mp4"), 1),
                            (("none", "--last", 2, "--timeout", 0.5, "-o", clip), 4)):
            self.assertEqual(self.stage.framering("export", *wrong, check=False).returncode, code)
        self.check_progress()

    def check_progress(self):
        """On a terminal, and once it has taken a second: here since a pipe takes nothing for so long."""
        pipe = self.stage.folder / "slow.mp4.part"
        os.mkfifo(pipe)
        slow = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(slow, fcntl.F_SETPIPE_SZ, 4096)
        command = f"{program('framering')} export film --last 600 -o {self.stage.folder}/slow.mp4"
        with subprocess.Popen(["script", "-qec", command, "/dev/null"], env=self.stage.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as shown:
            time.sleep(1.5)
            while shown.poll() is None:
                time.sleep(0.01)
                try:
                    os.read(slow, 4096)
                except BlockingIOError:
                    pass
            self.assertIn(b"exporting [", shown.stdout.read())
        os.close(slow)

    def play(self):
        """a film"""
        self.recorders_are_there.wait(30)
        self.film(self.film_path, *HISTORY, "--linger-seconds", 120)  # until all is exported

    def test_clips_of_what_is_over(self):
        self.recorders_are_there = threading.Event()
        self.at_once(self.clips, self.exports, self.refusals, self.permissions, self.play)


if __name__ == "__main__":
    main()
