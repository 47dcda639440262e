#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many files of one stream: where they are cut, what is deleted, and what it costs in memory."""

import os
import time

from harness import main, measure_again, wait_until
from recording import (BARCODE, RecorderTest, Writer, anonymous_kib, barcodes, decode, is_run, make_film,
                       packets, pictures_of, run)

SECONDS = float(os.environ.get("FRAMERING_E2E_SECONDS", "8"))  # 450: one hour at 8x speed
SPEED = 8
LARGEST_KIB = 12 << 10


class Segments(RecorderTest):
    def long_recording(self):
        """a long recording at 8x speed stays within its disk and its memory"""
        limit = 12 << 20
        film = make_film(self.stage.folder / "film.h264", seconds=8, gop=30,
                         source="testsrc2=size=640x360:rate=30")
        recorder = self.record("film", "--segment-seconds", 10 / SPEED, "--max-bytes", limit)
        self.film(film, "--fps", 30 * SPEED, "--loop", "--history", "32M", "--slots", 2048)
        self.wait_for_bytes(recorder)
        memory, largest = [], 0
        began = time.monotonic()
        while time.monotonic() < began + SECONDS:
            time.sleep(0.25)
            memory.append((time.monotonic() - began, anonymous_kib(recorder.pid)))
            largest = max(largest, sum(self.size_of(path) for path in self.output.iterdir()))
        self.assertEqual(recorder.stop(), 0, recorder.log)
        index = self.index()
        kept = [line for line in index if (self.output / line["file"]).exists()]
        for before, after in zip(index, index[1:]):
            self.assertEqual(before["last_frame"] + 1, after["first_frame"])
        self.assertEqual(sum(line["frames_lost"] for line in index), 0)
        self.assertGreater(len(index), len(kept), "the oldest were deleted")
        self.assertEqual([line["file"] for line in kept], [path.name for path in self.files()])
        self.assertEqual(kept, index[-len(kept):], "the oldest first")
        for line in kept[-2:]:
            self.assertEqual(decode(self.output / line["file"]), line["frames"])
        settled = memory[len(memory) // 4:]
        slope = self.slope(settled)
        print(f"# {index[-1]['last_frame']} frames in at least {len(index)} files; on disk at most "
              f"{largest / 2**20:.1f} MiB of {limit / 2**20:.0f}; RssAnon at most "
              f"{max(kib for _, kib in memory)} KiB, slope {slope:+.2f} KiB/s")
        self.assertLess(largest, limit + (1 << 20))
        self.assertLess(max(kib for _, kib in memory), LARGEST_KIB)
        self.assertLess(slope * SECONDS, 1024, "memory grows")

    @staticmethod
    def size_of(path):
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return 0

    @staticmethod
    def slope(points):
        mean_t = sum(t for t, _ in points) / len(points)
        mean_v = sum(v for _, v in points) / len(points)
        spread = sum((t - mean_t) ** 2 for t, _ in points)
        return sum((t - mean_t) * (v - mean_v) for t, v in points) / spread

    def test_many_files(self):
        self.at_once(self.long_recording, self.by_size, self.by_clock, self.by_picture,
                     self.by_limit, self.by_age, self.by_producer, self.by_successor, self.by_rest)

    def by_size(self):
        """files are cut by size"""
        film = make_film(self.stage.folder / "size.mp4", seconds=4, gop=10, source=BARCODE,
                         filters="noise=alls=70:allf=t")
        output = self.record_film("size", film, "--segment-bytes", "500K")
        numbers = [barcodes(file) for file in self.files(output)]
        self.assertGreater(len(numbers), 2)
        self.assertTrue(all(is_run(one) and one[0] % 10 == 0 for one in numbers), numbers)
        self.assertEqual(sum(numbers, []), list(range(120)))

    def by_clock(self):
        """files are cut at whole multiples of the day's seconds"""
        film = make_film(self.stage.folder / "clock.mp4", seconds=6, gop=10, source=BARCODE)
        output = self.record_film("clock", film, "--segment-seconds", 2,
                                            "--segment-by-clock")
        index = self.index(output)
        self.assertGreaterEqual(len(index), 3)
        for line in index[1:]:
            seconds = float(line["began"][17:-1])
            self.assertLess(seconds % 2, 10 / 30 + 0.1, line["began"])

    def by_picture(self):
        """files are cut at another size of picture"""
        parts = [make_film(self.stage.folder / f"{size}.h264", seconds=2, gop=30,
                           source=f"testsrc=size={size}:rate=30") for size in ("320x180", "640x360")]
        film = self.stage.folder / "both.h264"
        film.write_bytes(b"".join(part.read_bytes() for part in parts))
        output = self.record_film("picture", film, "--format", "mkv", "--fps", 30)
        index = self.index(output)
        self.assertEqual([line["frames"] for line in index], [60, 60])
        for line, width in zip(index, (320, 640)):
            file = output / line["file"]
            self.assertEqual(decode(file), 60)
            self.assertLess(abs(packets(file)[0][0]), 0.002)
            shown = run("ffprobe", "-v", "error", "-show_entries", "stream=width", "-of", "csv=p=0",
                        file).stdout
            self.assertEqual(int(shown), width)

    def by_limit(self):
        """files end early enough for --max-bytes to hold, also where nothing else ends them"""
        film = make_film(self.stage.folder / "limit.mp4", seconds=4, gop=10, source=BARCODE,
                         filters="noise=alls=70:allf=t")
        output = self.record_film("limit", film, "--segment-seconds", 0, "--max-bytes", "800K")
        kept = sum(self.size_of(path) for path in self.files(output))
        self.assertGreater(sum(line["bytes"] for line in self.index(output)), 800 << 10)
        self.assertLess(kept, 800 << 10)
        self.assertGreater(kept, 400 << 10, "not much more is deleted than has to be")

    def by_age(self):
        """the oldest files go when they are too old"""
        film = make_film(self.stage.folder / "age.mp4", seconds=6, gop=15, source=BARCODE)
        output = self.record_film("age", film, "--segment-seconds", 1, "--max-age", 3)
        index = self.index(output)
        gone = [line for line in index if not (output / line["file"]).exists()]
        self.assertGreaterEqual(len(gone), 1)
        self.assertEqual(gone, index[:len(gone)])

    def by_producer(self):
        """files are cut at another life of the producer"""
        film = make_film(self.stage.folder / "twice.mp4", seconds=2, gop=15, source=BARCODE)
        output = self.stage.folder / "video-twice"
        recorder = self.record("twice", name="recorder-twice", output=output)
        for life in (1, 2):
            producer = self.film(film, stream="twice", name=f"producer-twice-{life}")
            self.assertEqual(producer.wait(30), 0, producer.log)
        self.assertEqual(recorder.stop(), 0, recorder.log)
        index = self.index(output)
        self.assertEqual([(line["first_frame"], line["last_frame"]) for line in index],
                         [(1, 60), (1, 60)])
        self.assertEqual(len({line["generation"] for line in index}), 2)
        self.assertEqual([barcodes(output / line["file"]) for line in index], [list(range(60))] * 2)

    def by_successor(self):
        """what another life of the producer lost before its first frame was read is a gap"""
        pictures = pictures_of(make_film(self.stage.folder / "lives.h264", seconds=2, gop=15))
        output = self.stage.folder / "video-lives"
        recorder = self.record("lives", name="recorder-lives", output=output)

        def publish(writer, numbers):
            for number in numbers:
                writer.publish(pictures[number % 60], number % 15 == 0, 0, 0, 0, (320, 180))
                time.sleep(0.002)
        with Writer(self.stage, "lives", "H264") as writer:
            publish(writer, range(30))
            self.wait_for_bytes(recorder, "lives")
            recorder.pause()
        with Writer(self.stage, "lives", "H264") as writer:  # whose ring holds 256 frames
            publish(writer, range(600))
            recorder.resume()
            wait_until(lambda: self.status(recorder, "lives")["frames"] > 100, 15, recorder.log)
            publish(writer, range(600, 630))
            self.assertEqual(recorder.stop(), 0, recorder.log)
        last = self.index(output)[-1]
        self.assertEqual((last["frames"] + last["frames_lost"], last["last_frame"]), (630, 630))
        self.assertGreater(last["frames_lost"], 300)

    def by_rest(self):
        """who has nothing to record rests"""
        recorder = self.record("nothing", name="recorder-nothing", output=self.stage.folder / "rest")

        def wake_ups():
            time.sleep(1.5)
            before = recorder.voluntary_switches()
            time.sleep(4)
            return recorder.voluntary_switches() - before
        measure_again(wake_ups, 11)

    def record_film(self, stream, film, *arguments):
        """To its end; returns when the recorder has ended as well."""
        output = self.stage.folder / f"video-{stream}"
        fps = ()
        if "--fps" in arguments:
            fps, arguments = arguments[-2:], arguments[:-2]
        recorder = self.record(stream, *arguments, name=f"recorder-{stream}", output=output)
        producer = self.film(film, *fps, stream=stream, name=f"producer-{stream}")
        self.assertEqual(producer.wait(60), 0, producer.log)
        self.assertEqual(recorder.stop(), 0, recorder.log)
        return output


if __name__ == "__main__":
    main()
