#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder: what is in its files is what was published, frame by frame."""

import functools
import os
import random
import time

from harness import main, wait_until
from recording import (EXTENSIONS, TICK, Listener, RecorderTest, Writer, decode, make_film, packets,
                       pictures_of, run)

# 25 ms and 55 ms by turns, and a pause of 0.7 s before picture 40.
UNEVEN = "setpts='(N*0.04+0.015*mod(N,2)+0.7*gte(N,40))/TB'"
CLAIMS = (0, 0, 0, 1 << 40, -(1 << 63), (1 << 63) - 1000)  # for a time stamp


class Frames(RecorderTest):
    def check_times(self, film, containers=EXTENSIONS, name=""):
        """Records the film in each container at once; compares with what a reader saw."""
        stream = "film/" + name
        recorders = {kind: self.record(stream, "--format", kind, name=f"{name}-{kind}",
                                       output=self.stage.folder / f"{name}-{kind}")
                     for kind in containers}
        listener = Listener(self.stage, stream)
        producer = self.film(film, stream=stream, name=f"producer-{name}")
        published = listener.listen_to_the_end()
        self.assertEqual(producer.wait(10), 0, producer.log)
        listener.reader.__exit__()
        tick = 1 / self.time_base(film)
        for kind, recorder in recorders.items():
            self.assertEqual(recorder.stop(), 0, recorder.log)
            folder = self.stage.folder / f"{name}-{kind}"
            file, = self.files(folder)
            self.assertEqual(decode(file), len(published), file)
            found = packets(file)
            self.assertEqual(len(found), len(published))
            self.compare(published, found, tick, TICK[kind], kind != "mkv", file)
            line, = self.index(folder)
            self.assertEqual((line["file"], line["frames"], line["frames_lost"], line["gaps"]),
                             (file.name, len(published), 0, []))
            self.assertEqual((line["first_frame"], line["last_frame"]), (1, len(published)))
            self.assertEqual(line["bytes"], file.stat().st_size)
        return published

    def compare(self, published, found, tick, rounding, has_dts, file):
        first = published[0]
        for frame, (got_pts, got_dts, got_key) in zip(published, found):
            where = f"frame {frame.number} of {file}"
            self.assertAlmostEqual(got_pts - found[0][0], (frame.pts - first.pts) * tick,
                                   delta=rounding + 2e-6, msg=where)
            if has_dts:  # Matroska keeps none
                self.assertAlmostEqual(got_dts - found[0][1], (frame.dts - first.dts) * tick,
                                       delta=rounding + 2e-6, msg=where)
            self.assertEqual(got_key, frame.key, where)

    def time_base(self, film):
        text = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                   "stream=time_base", "-of", "csv=p=0", film).stdout.decode()
        return int(text.strip().split("/")[1])

    def uneven_times(self):
        """uneven times and a pause are kept in every container"""
        film = make_film(self.stage.folder / "uneven.mp4", filters=UNEVEN, seconds=3)
        published = self.check_times(film, name="uneven")
        steps = {b.dts - a.dts for a, b in zip(published, published[1:])}
        self.assertGreater(len(steps), 2, "the film has uneven times")

    def b_frames(self):
        """B-frames keep their order"""
        film = make_film(self.stage.folder / "b.mp4", seconds=3, b_frames=3, gop=30)
        published = self.check_times(film, name="b")
        self.assertTrue(any(frame.pts != frame.dts for frame in published), "the film has B-frames")

    def h265(self):
        """B-frames of H.265 as well"""
        film = make_film(self.stage.folder / "h265.mp4", seconds=2, b_frames=2, gop=30,
                         codec=("libx265", "-x265-params", "log-level=none"))
        self.check_times(film, name="h265")

    def mjpeg(self):
        """MJPEG in MP4 and Matroska, and MPEG-TS is refused"""
        film = make_film(self.stage.folder / "jpeg.mkv", seconds=2, codec=("mjpeg",))
        self.check_times(film, ("mp4", "mkv"), name="jpeg")
        refused = self.record("film/jpeg", "--format", "ts", name="refused", ready=False)
        self.film(film, stream="film/jpeg", name="again")
        self.assertEqual(refused.wait(10), 2, refused.log)
        self.assertIn("MPEG-TS", refused.log)

    def hostile(self, codec, kind, film):
        """Frames of that film with other bytes, times and sizes in them: the recorder reads on."""
        stream, output = f"hostile/{codec}-{kind}", self.stage.folder / f"hostile-{codec}-{kind}"
        dice = random.Random(f"{self.seed}-{codec}-{kind}")
        recorder = self.record(stream, "--format", kind, output=output, name=f"{codec}-{kind}")
        good = pictures_of(film)
        with Writer(self.stage, stream, codec) as writer:
            wait_until(lambda: stream in self.stage.streams(), 10, "the stream")
            for number in range(250):
                picture = bytearray(dice.choice(good))
                for _ in range(dice.choice((0, 1, 8, 200))):
                    picture[dice.randrange(min(len(picture), dice.choice((40, 4000))))] = dice.randrange(256)
                if dice.random() < 0.1:
                    del picture[dice.randrange(len(picture)):]
                writer.publish(bytes(picture), key=number == 0 or dice.random() < 0.5,
                               pts=dice.choice(CLAIMS) + number, dts=dice.choice(CLAIMS) + number,
                               captured_ns=dice.choice((0, 1, (1 << 64) - 1, time.monotonic_ns())),
                               size=dice.choice(((320, 180), (0, 0), (1 << 31, 1))))
                time.sleep(0.002)
        wait_until(lambda: not self.status(recorder, stream)["recording"] or not recorder.running, 30,
                   "the end of the stream")
        status = self.status(recorder, stream)
        self.assertGreater(status["frames"] + status["frames_lost"], 0, recorder.log)
        self.assertEqual(recorder.stop(), 0, recorder.log)

    def test_what_a_hostile_producer_claims_harms_no_recorder(self):
        self.seed = int(os.environ.get("FRAMERING_SEED", random.randrange(1 << 31)))
        print(f"# seed {self.seed}")
        h264 = make_film(self.stage.folder / "x.h264", seconds=1, gop=5)
        h265 = make_film(self.stage.folder / "x.h265", seconds=1, gop=5,
                         codec=("libx265", "-x265-params", "log-level=none:keyint=5"))
        jpeg = make_film(self.stage.folder / "x.mjpeg", seconds=1, codec=("mjpeg",))
        self.at_once(*[functools.partial(self.hostile, *case) for case in (
            ("H264", "mp4", h264), ("H264", "mkv", h264), ("H264", "ts", h264),
            ("H265", "mp4", h265), ("H265", "mkv", h265), ("H265", "ts", h265),
            ("MJPG", "mp4", jpeg), ("MJPG", "mkv", jpeg))])

    def test_number_order_and_times_of_the_frames_are_those_of_the_producer(self):
        self.at_once(self.uneven_times, self.b_frames, self.h265, self.mjpeg)


if __name__ == "__main__":
    main()
