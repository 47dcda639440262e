#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checksummed frames to many readers, some of them stopped or killed."""

import os
import time

from harness import StageTest, main

SECONDS = float(os.environ.get("FRAMERING_E2E_SECONDS", "6"))  # the long form: 60
FPS = 250
# Room for 2.6 s: what a busy machine has a reader be late by is not to be lost.
HISTORY = ("--history", "64M", "--slots", 1024)
READERS = [("every", "key"), ("every", "oldest"), ("every", "head"), ("live", "key"),
           ("live", "head"), ("newest", "key"), ("newest", "head"), ("newest", "oldest")]


class Pattern(StageTest):
    def start_readers(self):
        return [(policy, self.stage.cat(f"{number}-{policy}-{start}", "test", "--verify",
                                        "--policy", policy, "--start", start))
                for number, (policy, start) in enumerate(READERS)]

    def test_eight_readers_of_mixed_policies_see_no_torn_frame_and_every_reader_loses_none(self):
        self.stage.broker()
        readers = self.start_readers()
        producer = self.stage.pattern("--size", 100_000, "--fps", FPS, *HISTORY,
                                      "--frames", int(FPS * SECONDS))
        for policy, reader in readers:
            self.assertEqual(reader.wait(SECONDS + 30), 0, reader.log)
            report = reader.report()
            self.assert_clean(report)
            if policy == "every":
                self.assertEqual(report["lost"], 0, report)
        self.assertEqual(producer.wait(10), 0)

    def test_stopped_and_killed_readers_disturb_nobody(self):
        self.stage.broker()
        readers = self.start_readers()
        stopped = [self.stage.cat(f"stopped-{policy}", "test", "--verify", "--policy", policy)
                   for policy in ("every", "live", "newest")]
        killed = self.stage.cat("killed", "test", "--verify", "--lease")
        producer = self.stage.pattern("--size", 100_000, "--fps", FPS, *HISTORY,
                                      "--frames", int(FPS * SECONDS))
        time.sleep(SECONDS / 3)
        for reader in stopped:
            reader.pause()
        killed.kill()
        time.sleep(SECONDS / 3)
        self.assertTrue(producer.running)
        for reader in stopped:
            reader.resume()

        for policy, reader in readers:
            self.assertEqual(reader.wait(SECONDS + 30), 0, reader.log)
            report = reader.report()
            self.assert_clean(report)
            if policy == "every":
                self.assertEqual(report["lost"], 0, report)
        for reader in stopped:
            self.assertEqual(reader.wait(SECONDS + 30), 0, reader.log)
            self.assert_clean(reader.report())

    def test_unpaced_frames_are_whole_and_delivered_plus_lost_is_what_was_published(self):
        self.stage.broker()
        readers = [self.stage.cat(f"{policy}{lease}", "test", "--verify", "--policy", policy,
                                  *([lease] if lease else []))
                   for policy in ("every", "live", "newest") for lease in ("", "--lease")]
        frames = 20_000
        producer = self.stage.pattern("--size", 100_000, "--fps", 0, "--frames", frames)
        self.assertEqual(producer.wait(90), 0, producer.log)
        for reader in readers:
            self.assertEqual(reader.wait(30), 0, reader.log)
            report = reader.report()
            self.assert_clean(report)
            self.assertEqual(report["delivered"] + report["lost"],
                             report["published_after_first"], report)


if __name__ == "__main__":
    main()
