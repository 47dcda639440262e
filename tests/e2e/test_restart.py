#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Broker and producer die and come back; readers go on by themselves."""

import itertools
import os
import signal
import subprocess
import time

import reader as c_api
from harness import PATIENCE, StageTest, main, measure_again, program, wait_until
from reader import Reader


class Restart(StageTest):
    def kill_broker_five_times(self, attempt, broker):
        """The longest that a reader was without a frame, in ms, and the last broker."""
        readers = [self.stage.cat(f"copy-{bell}-{attempt}", "test", "--verify", "--bell", bell)
                   for bell in ("futex", "line", "eventfd")]
        readers += [self.stage.cat(f"lease-{n}-{attempt}", "test", "--verify", "--lease")
                    for n in range(2)]
        wait_until(lambda: self.stage.stat("test")["readers"] and
                   len(self.stage.stat("test")["readers"]) == 5, 10, "five readers")
        time.sleep(0.5)
        for life in range(5):
            broker.kill()
            time.sleep(0.4)
            broker = self.stage.start(f"broker-{attempt}-{life}", "framering-broker").wait_ready()
            self.stage.wait_for_stream("test")
            newcomer = self.stage.cat(f"newcomer-{attempt}-{life}", "test", "--verify",
                                      "--frames", 20, "--timeout", PATIENCE)
            self.assertEqual(newcomer.wait(10), 0, newcomer.log)
            self.assert_clean(newcomer.report(), lost=0)
            wait_until(lambda: len(self.stage.stat("test")["readers"]) == 5, 6,
                       "the five readers are known to the new broker")
        for reader in readers:
            self.assertTrue(reader.running, reader.log)
            reader.send(signal.SIGINT)
            self.assertEqual(reader.wait(5), 0, reader.log)
            self.assert_clean(reader.report(), lost=0, generations=1)
        return max(reader.report()["max_gap_ms"] for reader in readers), broker

    def test_no_frame_is_lost_while_the_broker_is_killed_five_times(self):
        broker = self.stage.broker()
        producer = self.stage.pattern("--size", 20_000, "--fps", 250, "--history", "64M",
                                      "--slots", 2048)
        self.stage.wait_for_stream("test")
        attempts = itertools.count()

        def longest_gap_ms():
            nonlocal broker
            gap, broker = self.kill_broker_five_times(next(attempts), broker)
            wait_until(lambda: not self.stage.stat("test")["readers"], PATIENCE, "no reader is left")
            return gap
        measure_again(longest_gap_ms, 300)
        self.assertTrue(producer.running)

    def test_readers_go_on_within_100_ms_of_a_new_producers_ring_with_a_key_frame(self):
        self.stage.broker()
        producer = self.stage.kvm()
        self.stage.wait_for_stream("hdmi/h264")
        with Reader(self.stage, "hdmi/h264", "every") as reader:
            wait_until(lambda: reader.next(0.1) == c_api.READY, 10, "a first frame")

            def first_frame_after_ms():
                nonlocal producer
                generation = reader.frame.generation
                producer.kill()
                producer = self.stage.kvm()
                wait_until(lambda: reader.next(0.1) == c_api.READY and
                           reader.frame.generation != generation, 10, "a frame of the new ring")
                arrived_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                self.assertTrue(reader.key)
                self.assertEqual(reader.frame.number, 1)
                return (arrived_ns - reader.frame.published_ns) / 1e6
            for _ in range(3):
                measure_again(first_frame_after_ms, 100)

    def test_pattern_readers_follow_a_producer_that_was_killed(self):
        self.stage.broker()
        producer = self.stage.pattern("--size", 10_000, "--fps", 100)
        reader = self.stage.cat("reader", "test", "--verify", "--follow")

        def until_it_reads():
            counts = []  # of this producer's readers

            def reads():
                readers = self.stage.stat("test")["readers"]
                counts.extend(one["delivered"] for one in readers)
                return readers and counts[-1] > counts[0] + 20
            wait_until(reads, PATIENCE, "the reader follows")
        for _ in range(3):
            until_it_reads()
            producer.kill()
            producer = self.stage.pattern("--size", 10_000, "--fps", 100)
        until_it_reads()
        reader.send(signal.SIGINT)
        self.assertEqual(reader.wait(5), 0, reader.log)
        self.assert_clean(reader.report(), generations=4, first_key=True)

    def test_a_supervised_producer_that_is_killed_comes_back_by_itself(self):
        self.stage.broker()
        supervisor = self.stage.kvm("--supervise")
        self.stage.wait_for_stream("hdmi/h264")
        with Reader(self.stage, "hdmi/h264", "live") as reader:
            wait_until(lambda: reader.next(0.1) == c_api.READY, 10, "a first frame")
            generation = reader.frame.generation
            child = self.stage.streams()["hdmi/h264"]["producer_pid"]
            self.assertNotEqual(child, supervisor.pid)
            os.kill(child, signal.SIGKILL)
            wait_until(lambda: reader.next(0.1) == c_api.READY and
                       reader.frame.generation != generation, 5, "a frame of the new ring")
            self.assertTrue(reader.key)
        self.assertEqual(supervisor.stop(), 0, supervisor.log)

    def test_nothing_is_left_behind_when_everything_is_killed_and_all_starts_again(self):
        def shared_memory():  # what begins with a dot is a browser's, which another test may run
            return {name for name in os.listdir("/dev/shm") if not name.startswith(".")}
        before = shared_memory()
        for _ in range(2):
            broker = self.stage.broker()
            producer = self.stage.pattern("--size", 10_000, "--fps", 100)
            readers = [self.stage.cat(f"reader-{n}", "test", "--output", "/dev/null",
                                      *(["--lease"] if n else [])) for n in range(3)]
            wait_until(lambda: self.stage.streams().get("test", {}).get("readers") == 3, 10,
                       "three readers")
            for process in (*readers, producer, broker):
                process.kill()
            self.assertEqual(shared_memory(), before)

    def test_a_second_broker_in_the_same_folder_is_refused_while_the_first_lives(self):
        self.stage.broker()
        done = subprocess.run([program("framering-broker")], env=self.stage.env,
                              capture_output=True, timeout=PATIENCE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.stage.socket_dir), done.stderr.decode())
        self.assertEqual(self.stage.streams(), {})  # the first one is as it was


if __name__ == "__main__":
    main()
