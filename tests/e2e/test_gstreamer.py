#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""framesrc and framesink in pipelines of gst-launch: what goes in on one side comes out on the other."""

import re
import sys
import time

from harness import BUILD, Process, StageTest, main, wait_until
from recording import Writer

WIDTH, HEIGHT, FPS = 320, 240, 30
PICTURE = WIDTH * HEIGHT * 3 // 2
RAW = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1"
ANNEX_B = "video/x-h264,stream-format=byte-stream,alignment=au"
# A key frame at the beginning and none after it, unless one is asked for.
ENCODER = f"openh264enc gop-size=100000 ! h264parse config-interval=-1 ! {ANNEX_B}"


def visible(picture):
    """Of an I420 picture of 250 x 100, the rows without what fills them up."""
    planes = [(0, 252, 250, 100), (252 * 100, 128, 125, 50), (252 * 100 + 128 * 50, 128, 125, 50)]
    assert len(picture) == 252 * 100 + 2 * 128 * 50, len(picture)
    return [picture[at + row * stride:at + row * stride + width]
            for at, stride, width, rows in planes for row in range(rows)]


class Gstreamer(StageTest):
    def setUp(self):
        super().setUp()
        self.stage.env["GST_PLUGIN_PATH"] = str(BUILD / "consumers/gstreamer")
        self.stage.env["GST_REGISTRY"] = str(self.stage.folder / "gst-registry")
        self.stage.broker()

    def launch(self, name, pipeline, option="-q"):
        process = Process(self.stage, name, ["gst-launch-1.0", option, *pipeline.split()],
                          self.stage.env)
        self.stage.processes.append(process)
        return process

    def run_pipeline(self, name, pipeline, seconds=60):
        process = self.launch(name, pipeline)
        self.assertEqual(process.wait(seconds), 0, process.log)
        self.assertNotIn("ERROR", process.log)
        return process

    def file(self, name):
        return self.stage.folder / name

    def produce(self, middle, stream, name="producer", pattern="ball"):
        process = self.launch(name, f"videotestsrc is-live=true pattern={pattern} ! {RAW} ! {middle} "
                                    f"! framesink stream={stream}")
        self.stage.wait_for_stream(stream)
        return process

    def buffers(self, process):
        """(size, pts, flags) of each buffer that a `fakesink silent=false` of a gst-launch -v told."""
        lines = re.findall(r"\((\d+) bytes, dts: [^,]*, pts: ([\d:.]+).*?flags: \w+ ?([\w -]*),",
                           process.output_path.read_text())
        return [(int(size), pts, flags) for size, pts, flags in lines]

    def test_raw_pictures_arrive_byte_by_byte(self):
        sent, got = self.file("sent"), self.file("got")
        self.produce(f"tee name=t ! queue ! filesink location={sent} t. ! queue", "cam/raw")
        self.run_pipeline("reader", f"framesrc stream=cam/raw num-buffers=20 ! {RAW.rsplit(',', 1)[0]} "
                                    f"! filesink location={got}")
        pictures = got.read_bytes()
        self.assertEqual(len(pictures), 20 * PICTURE)
        self.assertGreaterEqual(sent.read_bytes().find(pictures), 0, "20 pictures in a row as sent")

    def test_rows_that_are_padded_arrive_where_they_belong(self):
        # 250 pixels: GStreamer's rows have 252 bytes (luma) and 128 (chroma).
        raw = "video/x-raw,format=I420,width=250,height=100,framerate=30/1"
        process = self.launch("producer", f"videotestsrc is-live=true pattern=gradient ! {raw} ! "
                                          "framesink stream=cam/raw")
        self.stage.wait_for_stream("cam/raw")
        got, reference = self.file("got"), self.file("reference")
        self.run_pipeline("reader", "framesrc stream=cam/raw num-buffers=1 ! videoflip "
                                    f"method=vertical-flip ! filesink location={got}")
        self.run_pipeline("reference", f"videotestsrc pattern=gradient num-buffers=1 ! {raw} ! videoflip "
                                       f"method=vertical-flip ! filesink location={reference}")
        self.assertEqual(visible(got.read_bytes()), visible(reference.read_bytes()))
        self.assertTrue(process.running)

    def test_rows_that_would_lie_outside_of_the_picture_are_not_believed(self):
        width, height = 640, 480
        process = self.launch("reader", "framesrc stream=cam/raw ! fakesink silent=false", "-v")

        def told():
            """By the size of a buffer: whether it says where its rows are."""
            lines = re.findall(r"\((\d+) bytes, dts: .*?, meta: ([^)]*)\)", process.output_path.read_text())
            return {int(size): "GstVideoMeta" in meta for size, meta in lines}
        with Writer(self.stage, "cam/raw", "YU12") as writer:
            self.stage.wait_for_stream("cam/raw")

            def both_came():
                for stride in (width, width // 2):  # the second one reads on behind the last row
                    rows = (stride, stride // 2, stride // 2)
                    writer.publish(bytes(stride * height * 3 // 2), True, 0, 0, 0, (width, height), rows,
                                   (0, stride * height, stride * height * 5 // 4))
                return len(told()) == 2
            wait_until(both_came, 15, f"pictures: {process.log}")
        self.assertEqual(told(), {width * height * 3 // 2: True, width * height * 3 // 4: False})

    def test_h264_goes_in_and_comes_out_as_pictures_with_caps_and_times(self):
        self.produce(ENCODER, "cam/h264", pattern="smpte")
        got = self.file("got")
        self.run_pipeline("reader", "framesrc stream=cam/h264 num-buffers=40 ! "
                          f"video/x-h264,width={WIDTH},height={HEIGHT} ! h264parse ! openh264dec ! "
                          f"{RAW.rsplit(',', 1)[0]} ! filesink location={got}")
        pictures = got.read_bytes()
        self.assertGreaterEqual(len(pictures), 39 * PICTURE)
        last = pictures[len(pictures) - PICTURE:]
        # The colour bars of SMPTE: luma of white, the first, and of blue, the last.
        row = last[WIDTH * 60:WIDTH * 61]
        self.assertAlmostEqual(row[20], 235, delta=6)
        self.assertAlmostEqual(row[300], 41, delta=6)

        told = self.launch("verbose", "framesrc stream=cam/h264 num-buffers=60 ! fakesink silent=false",
                           "-v")
        self.assertEqual(told.wait(60), 0, told.log)
        buffers = self.buffers(told)
        self.assertEqual(len(buffers), 60)
        self.assertNotIn("delta-unit", buffers[0][2])
        self.assertEqual({flags.strip() for _, _, flags in buffers[10:]}, {"delta-unit"})
        seconds = [sum(float(part) * 60 ** power for power, part in enumerate(reversed(pts.split(":"))))
                   for _, pts, _ in buffers]
        self.assertEqual(seconds, sorted(set(seconds)), "time stamps grow")
        live = seconds[-10:]
        self.assertAlmostEqual((live[-1] - live[0]) / 9, 1 / FPS, delta=0.02)

    def test_a_decoder_that_misses_pictures_gets_a_key_frame_out_of_the_encoder(self):
        # Upstream through framesrc, the ring, framesink; no key frame comes without being asked for.
        self.produce(ENCODER, "cam/h264")
        time.sleep(1)
        before = self.stage.stat("cam/h264")
        self.assertEqual((before["newest_key"], before["key_requests_wanted"]), (1, 0))
        self.launch("reader", "framesrc stream=cam/h264 ! h264parse ! identity drop-probability=0.3 ! "
                              "openh264dec automatic-request-sync-points=true ! fakesink")
        wait_until(lambda: self.stage.stat("cam/h264")["newest_key"] > 1, 15, "a new key frame")
        after = self.stage.stat("cam/h264")
        self.assertGreater(after["key_requests_wanted"], 0)
        self.assertGreater(after["key_requests_granted"], 0)

    def test_framesrc_waits_for_a_stream_and_outlives_its_producer(self):
        got = self.file("got")
        reader = self.launch("reader", f"framesrc stream=cam/raw num-buffers=60 ! filesink location={got}")
        first = self.produce("identity", "cam/raw", name="first")
        wait_until(lambda: got.exists() and got.stat().st_size > 10 * PICTURE, 15, "pictures of the first")
        first.kill()
        self.produce("identity", "cam/raw", name="second")
        self.assertEqual(reader.wait(20), 0, reader.log)
        self.assertEqual(got.stat().st_size, 60 * PICTURE)

    def test_eos_at_end_ends_with_the_producer(self):
        reader = self.launch("reader", "framesrc stream=cam/raw eos-at-end=true ! fakesink")
        self.run_pipeline("producer", f"videotestsrc is-live=true num-buffers=30 ! {RAW} ! framesink "
                                      "stream=cam/raw")
        self.assertEqual(reader.wait(15), 0, reader.log)

    def test_what_is_wrong_is_said(self):
        bad = self.launch("bad-name", "framesrc stream=/../x ! fakesink")
        self.assertNotEqual(bad.wait(15), 0)
        self.assertIn("stream name", bad.log)
        self.stage.pattern()
        pattern = self.launch("pattern", "framesrc stream=test ! fakesink")
        self.assertNotEqual(pattern.wait(15), 0)
        self.assertIn("no name in GStreamer", pattern.log)

    def test_an_element_that_does_not_run_may_be_flushed(self):
        script = """if True:
            import ctypes
            gst = ctypes.CDLL("libgstreamer-1.0.so.0")
            for name in ("element_factory_make", "event_new_flush_start", "event_new_flush_stop"):
                getattr(gst, "gst_" + name).restype = ctypes.c_void_p
            gst.gst_init(None, None)
            source = ctypes.c_void_p(gst.gst_element_factory_make(b"framesrc", None))
            for event in (gst.gst_event_new_flush_start(), gst.gst_event_new_flush_stop(1)):
                gst.gst_element_send_event(source, ctypes.c_void_p(event))
            """
        process = Process(self.stage, "flush", [sys.executable, "-c", script], self.stage.env)
        self.stage.processes.append(process)
        self.assertEqual(process.wait(30), 0, process.log)

    def test_a_stopping_pipeline_does_not_wait_for_frames(self):
        reader = self.launch("reader", "framesrc stream=nobody/there ! fakesink")
        time.sleep(0.5)
        self.assertTrue(reader.running)
        began = time.monotonic()
        reader.stop(10)
        self.assertLess(time.monotonic() - began, 5)


if __name__ == "__main__":
    main()
