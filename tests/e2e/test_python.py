#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package out of its wheel, with a real broker and producer, stopped and killed."""

import asyncio
import gc
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import python_venv
from harness import PATIENCE, StageTest, main, wait_until

python_venv.enter()

import framering
import numpy

KB = 1000


class Pattern:
    """What schema/pattern_frame.h writes into frames of `size` bytes."""

    def __init__(self, size):
        words = (size - 24) // 8
        factors = numpy.full(words, 6364136223846793005, numpy.uint64)
        self.powers = numpy.multiply.accumulate(factors)
        factors[0] = 1
        self.sums = (numpy.multiply.accumulate(factors).cumsum() *
                     numpy.uint64(1442695040888963407))

    def holds(self, frame, array):
        """Whole, and the frame that it says it is."""
        words = array.view(numpy.uint64)
        seed = numpy.uint64((frame.number * 0xD1290D3D5C5B3A1F + 1) % 2**64)
        return words[1] == frame.number and numpy.array_equal(words[3:],
                                                              self.powers * seed + self.sums)


def memory_kb():
    return int(re.search(r"VmRSS:\s*(\d+)", pathlib.Path("/proc/self/status").read_text())[1])


class Python(StageTest):
    def setUp(self):
        super().setUp()
        self.broker = self.stage.broker()

    def produce(self, *arguments, size=50 * KB, fps=250, **names):
        producer = self.stage.pattern("--size", size, "--fps", fps, *arguments, **names)
        self.stage.wait_for_stream(names.get("stream", "test"))
        return producer

    def reader(self, **options):
        reader = framering.Reader("test", socket_dir=self.stage.socket_dir, **options)
        self.addCleanup(reader.close)
        return reader

    def in_process(self, source, then=None):
        """Exit code and output of a Python program; once it has printed a line, `then` is called."""
        program = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(source)],
            env=self.stage.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.kill)
        if then:
            self.assertNotIn("Error", program.stdout.readline())
            then(program)
        output, _ = program.communicate(timeout=PATIENCE)
        return program.returncode, output

    def test_the_wheel_brings_what_it_needs(self):
        folder = pathlib.Path(framering.__file__).parent
        self.assertIn(python_venv.VENV, folder.parents)
        extension = next(folder.glob("_framering.*so"))
        listed = subprocess.run(["ldd", extension], env={"PATH": os.environ["PATH"]}, check=True,
                                capture_output=True, text=True).stdout
        self.assertNotIn("not found", listed)
        for name, path in re.findall(r"(\S+) => (\S+)", listed):
            if not re.match(r"lib(c|m|stdc\+\+|gcc_s|pthread|dl|rt)\.so", name):
                self.assertIn(str(folder), path)
        self.assertRegex(framering.__version__, r"^\d+\.\d+")

    def test_copies_and_leases_are_whole_and_in_order(self):
        self.produce("--history", "16M")
        pattern = Pattern(50 * KB)
        numbers = []
        buffer = numpy.zeros(60 * KB, numpy.uint8)
        with self.reader(policy="every", start="head") as reader:
            for turn in range(90):
                if turn % 3 == 0:
                    frame = reader.next(PATIENCE)
                    self.assertTrue(pattern.holds(frame, frame.array()))
                elif turn % 3 == 1:
                    frame = reader.next_into(buffer, PATIENCE)
                    self.assertTrue(pattern.holds(frame, buffer[:frame.size]))
                    self.assertEqual(bytes(frame.bytes), buffer[:frame.size].tobytes())
                else:
                    with reader.lease(PATIENCE) as frame:
                        self.assertTrue(frame.leased)
                        array = frame.array()
                        self.assertTrue(pattern.holds(frame, array))
                        self.assertFalse(array.flags.writeable)
                        with self.assertRaises(ValueError):
                            array.flags.writeable = True
                    with self.assertRaisesRegex(ValueError, "released"):
                        memoryview(frame)
                numbers.append(frame.number)
                self.assertEqual(frame.lost, 0)
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 90)))
            with self.assertRaises(framering.BufferTooSmall):
                reader.next_into(bytearray(100), PATIENCE)
            self.assertEqual(reader.next(PATIENCE).number, numbers[-1] + 1)

    def test_a_lease_that_is_held_too_long_is_revoked(self):
        self.produce("--history", "1M", size=200 * KB)
        reader = self.reader(start="head")

        def lose():
            """Leases on all of the ring, which leave no room to step aside: one that was revoked."""
            frames = [reader.lease(PATIENCE) for _ in range(6)]
            return wait_until(lambda: next((frame for frame in frames if not frame.valid()), None),
                              PATIENCE, "revoked")
        with self.assertRaises(framering.Revoked):
            with lose() as frame:
                view = frame.bytes
        with self.assertRaises(ValueError):
            view[0]  # released with the frame
        # What went wrong because of such bytes is not the program's fault; Ctrl-C is its user's.
        with self.assertRaises(framering.Revoked) as raised:
            with lose():
                raise RuntimeError("cannot decode")
        self.assertIsInstance(raised.exception.__context__, RuntimeError)
        with self.assertRaises(KeyboardInterrupt):
            with lose():
                raise KeyboardInterrupt
        self.assertGreaterEqual(reader.status().leases_revoked, 3)

    def test_a_reader_that_is_lapped_is_told_how_much_it_lost(self):
        self.produce("--history", "1M", fps=500)
        reader = self.reader(policy="every")
        first = reader.next(PATIENCE).number
        wait_until(lambda: reader.status().head > first + 100, PATIENCE, "100 frames more")
        frame = reader.next(PATIENCE)
        self.assertGreater(frame.lost, 0)
        self.assertEqual(frame.number, first + 1 + frame.lost)
        self.assertEqual(reader.status().lost_lapped, frame.lost)

    def test_it_lives_through_the_death_of_broker_and_producer(self):
        producer = self.produce("--history", "16M")
        reader = self.reader(policy="every")
        frame = reader.next(PATIENCE)
        last, first_life = frame.number, frame.generation
        self.broker.kill()
        self.broker = self.stage.broker()
        for _ in range(50):
            frame = reader.next(PATIENCE)
            self.assertEqual((frame.number, frame.lost), (last + 1, 0))
            last = frame.number
        producer.kill()
        with self.assertRaisesRegex(framering.Timeout, "no stream"):
            while True:  # what it had published is read to its end
                self.assertEqual(reader.next(0.3).generation, first_life)
        self.produce(name="second")
        self.assertNotEqual(reader.next(PATIENCE).generation, first_life)

    def test_iteration_ends_when_the_producer_has_finished(self):
        producer = self.produce("--frames", 500, "--linger-seconds", 5)
        reader = self.reader(policy="every", start="oldest")
        frames = [frame.number for frame in reader]
        self.assertEqual(frames[-1], 500)
        producer.stop()
        self.produce(name="second")
        self.assertEqual(next(iter(reader)).lost, reader.status().lost_skipped)

    def test_other_threads_run_while_it_waits(self):
        self.produce(stream="other")
        reader = self.reader()  # of a stream that nobody produces
        counted = [0]
        over = threading.Event()

        def count():
            while not over.wait(0.001):
                counted[0] += 1
        thread = threading.Thread(target=count)
        thread.start()
        with self.assertRaises(framering.Timeout):
            reader.next(0.5)
        within = counted[0]
        over.set()
        thread.join()
        self.assertGreater(within, 10)

    def test_one_thread_uses_it_and_others_are_refused(self):
        self.produce(fps=250)
        reader = self.reader()
        leased = [reader.lease(PATIENCE)]
        idle = self.reader(policy="newest")
        idle.set_demand(False)
        quiet = framering.Reader("nobody", socket_dir=self.stage.socket_dir)
        ended = []

        def wait():
            try:
                quiet.next()
            except framering.Closed as error:
                ended.append(error)
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        with self.assertRaisesRegex(RuntimeError, "another thread"):
            quiet.next(0)
        quiet.request_key()
        quiet.close()  # ends the wait
        thread.join(PATIENCE)
        self.assertEqual(len(ended), 1)
        # A lease that another thread drops is given back all the same.
        for _ in range(100):
            leased.append(reader.lease(PATIENCE))
            dropper = threading.Thread(target=leased.clear)
            dropper.start()
            reader.next(PATIENCE)
            dropper.join()
        self.assertTrue(reader.lease(PATIENCE).leased)

    def test_ten_thousand_frames_leave_nothing_behind(self):
        self.produce("--history", "4M", size=10 * KB, fps=0)
        reader = self.reader(policy="every")
        buffer = bytearray(10 * KB)

        def read(frames):
            for _ in range(frames // 4):
                reader.next(PATIENCE).array().sum()
                reader.next_into(buffer, PATIENCE).bytes.tobytes()
                with reader.lease(PATIENCE) as frame:
                    frame.array().max()
                reader.lease(PATIENCE).bytes.tobytes()
            gc.collect()

        def read_on(frames):
            try:
                read(frames)
            except framering.Revoked:  # busy machine: the producer came round
                read_on(frames)
        read_on(2000)
        before_kb, before_blocks = memory_kb(), sys.getallocatedblocks()
        read_on(10_000)
        self.assertLess(memory_kb() - before_kb, 1000)
        self.assertLess(sys.getallocatedblocks() - before_blocks, 200)

    def test_a_hundred_readers_leave_nothing_behind(self):
        self.produce()

        def open_and_close(readers):
            for _ in range(readers):
                with self.reader() as reader:
                    views.append(reader.lease(PATIENCE).array())
            views.clear()
            gc.collect()

        def mappings():
            return pathlib.Path("/proc/self/maps").read_text().count("framering")
        views = []
        open_and_close(3)
        before = len(os.listdir("/proc/self/fd")), mappings()
        open_and_close(100)
        # The library closes what others may hold up in a thread of its own.
        wait_until(lambda: (len(os.listdir("/proc/self/fd")), mappings()) == before, PATIENCE,
                   "no descriptor and no mapping more than before")

    def test_asyncio_reads_several_at_once(self):
        self.produce()
        self.produce(stream="second", name="second")
        ticks = []

        async def tick():
            while True:
                ticks.append(time.monotonic())
                await asyncio.sleep(0.01)

        async def read(stream, bell):
            numbers = []
            with framering.Reader(stream, socket_dir=self.stage.socket_dir, bell=bell,
                                  policy="every") as reader:
                async for frame in reader:
                    numbers.append(frame.number)
                    if len(numbers) == 50:
                        break
                with await reader.alease() as frame:
                    self.assertTrue(frame.leased)
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 50)))

        async def everything():
            ticking = asyncio.create_task(tick())
            await asyncio.wait_for(asyncio.gather(
                read("test", "eventfd"), read("test", "line"), read("second", "line")), PATIENCE)
            ticking.cancel()
            with framering.Reader("nobody", socket_dir=self.stage.socket_dir, bell="line") as reader:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(reader.anext(), 0.1)
            with self.reader() as reader, self.assertRaisesRegex(framering.Error, "eventfd"):
                await reader.anext()
        asyncio.run(everything())
        self.assertGreater(len(ticks), 3)

    def test_views_that_outlive_everything_do_not_crash(self):
        producer = self.produce("--history", "1M", fps=500)
        code, output = self.in_process("""
            import ctypes, gc, os, sys, time
            import numpy, framering
            reader = framering.Reader("test", policy="every")
            views = []
            for turn in range(12):           # more than there are cells: the last ones are copies
                frame = reader.lease(30)
                views += [frame.bytes, memoryview(frame), numpy.asarray(frame), frame.array()[5:],
                          numpy.ndarray((10,), numpy.uint8, frame), numpy.frombuffer(frame.bytes)]
                if turn % 2:
                    frame.release()
            frames = [reader.lease(30) for _ in range(3)]
            print("filled", flush=True)
            generation = frames[0].generation
            while True:
                try:
                    later = reader.next(30)
                except framering.Ended:
                    continue
                if later.generation != generation:
                    break
            def look():
                total = 0
                for view in views:
                    try:
                        total += int(numpy.frombuffer(view, numpy.uint8).astype(int).sum())
                    except ValueError:
                        pass                 # a memoryview that was released with its frame
                return total
            assert look() > 0
            reader.close()
            frames[0].release()
            del reader, frames, frame
            gc.collect()
            assert look() > 0
            if os.fork() == 0:
                assert look() > 0
                del views
                gc.collect()
                os._exit(7)
            assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
            assert look() > 0
            del views
            gc.collect()
            print("done")
            """, lambda _: (producer.kill(), self.produce(name="second")))
        self.assertEqual((code, output.splitlines()[-1]), (0, "done"), output)

    def test_a_fork_has_no_reader(self):
        self.produce()
        code, output = self.in_process("""
            import os, framering
            reader = framering.Reader("test")
            frame = reader.lease(30)
            if os.fork() == 0:
                try:
                    reader.next(1)
                except framering.Error as error:
                    print("refused:", error, flush=True)
                del frame, reader
                os._exit(0)
            os.wait()
            assert frame.valid()
            print(reader.next(30).number > 0)
            """)
        self.assertEqual(code, 0, output)
        self.assertRegex(output, "refused: .*fork\nTrue")

    def test_control_c_ends_the_wait(self):
        for wait in ("print(flush=True); reader.next()", "print(flush=True); reader.lease(1000)",
                     "print(flush=True); next(iter(reader))", "asyncio.run(coroutine())"):
            code, output = self.in_process(f"""
                import asyncio, framering
                reader = framering.Reader("nobody", bell="line")
                async def coroutine():
                    print("waiting", flush=True)
                    await reader.anext()
                try:
                    {wait}
                except KeyboardInterrupt:
                    print("interrupted")
                """, lambda program: program.send_signal(signal.SIGINT))
            self.assertEqual((code, output.splitlines()[-1]), (0, "interrupted"), output)

    def test_misuse_is_told_in_a_sentence(self):
        for wrong, sentence in [({"policy": "newst"}, "'newest'"), ({"start": 3}, "'oldest'"),
                                ({"bell": "ding"}, "'futex'"),
                                ({"bell": "line", "predictive": True}, "futex")]:
            with self.assertRaisesRegex(ValueError, sentence):
                framering.Reader("test", **wrong)
        with self.assertRaisesRegex(ValueError, "stream name"):
            framering.Reader("no//such name")
        reader = self.reader()
        with self.assertRaises(TypeError):
            reader.next_into(b"cannot be written", 0)
        with self.assertRaises(TypeError):
            reader.next("soon")
        reader.close()
        reader.close()
        for call in (reader.next, reader.lease, reader.status, reader.fileno, reader.request_key):
            with self.assertRaises(framering.Closed):
                call()

    def test_the_broker_refuses_whom_it_does_not_serve(self):
        self.broker.stop()
        self.stage.start("strict", "framering-broker", "--allow",
                         "read:other:uid=0").wait_ready()
        with self.assertRaises(framering.Refused) as refused:
            self.reader().next(PATIENCE)
        self.assertIsInstance(refused.exception, PermissionError)
        self.assertGreater(len(str(refused.exception)), 10)


if __name__ == "__main__":
    main()
