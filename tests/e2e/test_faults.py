#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that the stand-in vendor library can be told to do wrong, while readers watch."""

import itertools
import os
import threading
import time

import reader as c_api
from harness import PATIENCE, StageTest, main, measure_again, wait_until
from reader import Reader

BACK_WITHIN = 2.0  # seconds from the end of a fault to the next picture


class Watcher(threading.Thread):
    """A reader that notes when pictures came, and which states it saw."""

    def __init__(self, stage, stream):
        super().__init__()
        self.reader = Reader(stage, stream, "live")
        self.stopping = threading.Event()
        self.pictures = 0
        self.newest_at = 0.0  # time.monotonic()
        self.size = (0, 0)
        self.generations = set()
        self.states = set()
        self.start()

    def run(self):
        with self.reader as reader:
            while not self.stopping.is_set():
                result = reader.next(0.1)
                self.states.add(reader.state)
                if result == c_api.READY:
                    self.newest_at = time.monotonic()
                    self.size = (reader.frame.width, reader.frame.height)
                    self.generations.add(reader.frame.generation)
                    self.pictures += 1

    def stop(self):
        self.stopping.set()
        self.join()


class Faults(StageTest):
    def watch(self, *arguments):
        self.stage.broker()
        self.stage.kvm("--supervise", *arguments)
        self.watchers = []
        for stream in ("hdmi/h264", "hdmi/mjpeg"):
            self.stage.wait_for_stream(stream)
            watcher = Watcher(self.stage, stream)
            self.addCleanup(watcher.stop)
            self.watchers.append(watcher)
        self.until_pictures(time.monotonic())
        wait_until(lambda: all(watcher.pictures > 10 for watcher in self.watchers), 10, "frames")

    def inject(self, *command):
        for watcher in self.watchers:
            watcher.states.clear()
        self.stage.inject(*command)

    def until_pictures(self, since):
        """How long after `since` every watcher has had a picture that came after it."""
        wait_until(lambda: all(watcher.newest_at > since for watcher in self.watchers), PATIENCE,
                   "a picture in each stream")
        return time.monotonic() - since

    def wait_for_seen(self, state, watchers=None):
        wait_until(lambda: all(state in watcher.states for watcher in watchers or self.watchers),
                   PATIENCE, f"the readers see the state {state}")

    def check_lasting(self, *command, state):
        def back_after():
            self.inject(*command)
            self.stage.wait_for_state("hdmi/h264", (state,), PATIENCE)
            self.stage.wait_for_state("hdmi/mjpeg", (state,), PATIENCE)
            self.wait_for_seen(state)
            self.inject("ok")
            return self.until_pictures(time.monotonic())
        measure_again(back_after, BACK_WITHIN)
        self.stage.wait_for_state("hdmi/h264", ("live",), PATIENCE)
        for watcher in self.watchers:
            self.assertEqual(len(watcher.generations), 1)

    def test_no_signal(self):
        self.watch()
        self.check_lasting("no_signal", state="no_signal")

    def test_unsupported_resolution(self):
        self.watch()
        self.check_lasting("unsupported_resolution", state="unsupported_resolution")

    def test_a_change_of_resolution_keeps_the_ring_and_is_followed(self):
        self.watch()
        sizes = itertools.cycle([(640, 480), (1024, 768)])

        def followed_after():
            size = next(sizes)
            self.inject("resolution", "{}x{}".format(*size))
            began = time.monotonic()
            self.wait_for_seen("changing_resolution")
            wait_until(lambda: all(watcher.size == size for watcher in self.watchers), PATIENCE,
                       f"pictures of {size}")
            took = time.monotonic() - began
            info = self.stage.stat("hdmi/h264")
            self.assertEqual((info["width"], info["height"]), size)
            return took
        measure_again(followed_after, 4)
        for watcher in self.watchers:
            self.assertEqual(len(watcher.generations), 1)

    def test_encoder_errors(self):
        self.watch()

        def back_after():
            self.inject("encoder_error", 30)
            self.wait_for_seen("encoder_error", self.watchers[:1])
            self.inject("ok")
            return self.until_pictures(time.monotonic())
        measure_again(back_after, BACK_WITHIN)
        self.stage.wait_for_state("hdmi/h264", ("live",), PATIENCE)

    def test_one_key_frame_over_the_limit_is_skipped_and_the_next_one_asked_for(self):
        self.watch("--max-frame", "400K", "--history", "4M")

        def back_after():
            before = self.stage.stat("hdmi/h264")
            self.inject("big_key", 600_000)
            wait_until(lambda: self.stage.stat("hdmi/h264")["frames_too_large"] >
                       before["frames_too_large"], PATIENCE, "a frame counted as too large")
            return self.until_pictures(time.monotonic())
        measure_again(back_after, BACK_WITHIN)
        self.assertEqual(len(self.watchers[0].generations), 1)

    def test_key_frames_that_are_all_too_large_are_said_and_not_asked_for_in_a_loop(self):
        self.watch("--max-frame", "400K", "--history", "4M")

        def back_after():
            self.inject("big_key_always", 600_000)
            self.stage.wait_for_state("hdmi/h264", ("frame_too_large",), PATIENCE)
            granted = self.stage.stat("hdmi/h264")["key_requests_granted"]
            mjpeg = self.watchers[1].pictures
            time.sleep(3)
            self.assertLessEqual(self.stage.stat("hdmi/h264")["key_requests_granted"], granted + 3)
            self.assertGreater(self.watchers[1].pictures, mjpeg)  # it was never in trouble
            self.inject("ok")
            return self.until_pictures(time.monotonic())
        measure_again(back_after, BACK_WITHIN)
        self.stage.wait_for_state("hdmi/h264", ("live",), PATIENCE)

    def test_a_vendor_call_that_hangs_ends_in_a_new_producer(self):
        self.watch()
        lives = 1

        def back_after():
            nonlocal lives
            lives += 1
            process = self.stage.streams()["hdmi/h264"]["producer_pid"]
            self.inject("hang")
            hung = time.monotonic()

            # The pipeline thread cannot say it: the watchdog does, before it ends the process.
            self.wait_for_seen("encoder_error")
            wait_until(lambda: not os.path.exists(f"/proc/{process}"), PATIENCE,
                       "the watchdog ends it")
            ended = time.monotonic()
            took = self.until_pictures(ended)
            print(f"# ended {ended - hung:.1f} s after the call began to hang, "
                  f"picture {took:.1f} s later", flush=True)
            for watcher in self.watchers:
                self.assertEqual(len(watcher.generations), lives)
            return took
        measure_again(back_after, BACK_WITHIN)

    def test_a_crash_in_the_vendor_library_ends_in_a_new_producer(self):
        self.watch()
        lives = 1

        def back_after():
            nonlocal lives
            lives += 1
            self.inject("crash")
            began = time.monotonic()
            wait_until(lambda: all(len(watcher.generations) == lives for watcher in self.watchers),
                       PATIENCE, "pictures of another producer")
            return time.monotonic() - began
        measure_again(back_after, BACK_WITHIN + 0.2)


if __name__ == "__main__":
    main()
