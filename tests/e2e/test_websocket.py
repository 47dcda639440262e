#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""framering-websocket on the wire: byte by byte, as consumers/websocket/README.md promises."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import PATIENCE, StageTest, main, measure_again, wait_until
from websocket_client import (BINARY, CLOSE, PING, PONG, TEXT, Closed, Refused, WebSocket, connect,
                              get, read_head, unverified_tls)

LONG = float(os.environ.get("FRAMERING_E2E_SECONDS", 0)) > 0
DIRECT = "/api/stream/h264/direct"
MP4 = "/api/stream/mp4"
START_CODE = b"\0\0\0\1"


def nal_types(access_unit):
    return [unit[0] & 31 for unit in re.split(b"\0\0\0?\1", access_unit) if unit]


def boxes(data):
    found, at = [], 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append(name.decode())
        at += size
    return found


class WebSocketTest(StageTest):
    server = None
    port = 0

    def serve(self, *arguments, listen="127.0.0.1:0", name="websocket"):
        self.server = self.stage.start(name, "framering-websocket", "--listen", listen,
                                       *arguments).wait_ready()
        self.port = int(re.findall(r"listening on https?://.*?:(\d+)/", self.server.log)[-1])

    def begin(self, *arguments, kvm=()):
        self.stage.broker()
        self.stage.kvm(*kvm)
        self.stage.wait_for_stream("hdmi/h264")
        self.serve(*arguments)

    def direct(self, query="", **options):
        return WebSocket(self.port, DIRECT + query, **options)

    def in_time(self, case, attempts=5):
        """Tries again where the server let go of a viewer who was to be late, but not as late as a busy
        machine made it."""
        for attempt in range(attempts):
            try:
                return case()
            except Closed as closed:
                if attempt == attempts - 1:
                    raise
                print(f"# let go of: {closed}; once more", flush=True)

    @staticmethod
    def until_quiet(viewer):
        """What was on its way has come."""
        wait_until(lambda: viewer.count_frames(0.5) == 0, PATIENCE, "no more frames")

    def metric(self, name, source="127.0.0.9"):
        text = get(self.port, "/metrics", source=source)[2].decode()
        found = re.search(rf"^framering_websocket_{re.escape(name)} (\S+)$", text, re.MULTILINE)
        self.assertIsNotNone(found, f"{name} in:\n{text}")
        return float(found[1])

    def refused(self, cause):
        return self.metric(f'refused_total{{cause="{cause}"}}')


class Direct(WebSocketTest):
    def test_nanokvms_client_gets_key_mark_time_stamp_and_annex_b_from_a_key_frame_on(self):
        self.begin()
        with self.direct("?flow=8") as viewer:
            last = 0
            for n in range(60):
                opcode, message = viewer.message()
                self.assertEqual(opcode, BINARY)  # and no text ever, which its client would not know
                key, timestamp = struct.unpack_from("<BQ", message)
                self.assertIn(key, (0, 1))
                self.assertTrue(message[9:].startswith(START_CODE))
                kinds = nal_types(message[9:])
                self.assertEqual(key == 1, 5 in kinds, kinds)
                if n == 0:
                    self.assertEqual(key, 1)
                if key:
                    self.assertEqual(kinds[:2], [7, 8])
                self.assertGreater(timestamp, last)
                last = timestamp
                viewer.acknowledge(timestamp)

            def age_us():
                timestamp = viewer.frame()[1]
                now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                self.assertGreaterEqual(now_us, timestamp)
                viewer.acknowledge(timestamp)
                return now_us - timestamp
            wait_until(lambda: age_us() < 2_000_000, PATIENCE, "the present")
        who = "way=direct stream=hdmi/h264 address=127.0.0.1"
        wait_until(lambda: f"viewer goes {who} why=closed" in self.server.log, 5, "it is told")
        self.assertEqual(self.server.log.count(who), 2)  # and nothing for each frame

    def test_a_window_of_any_size_is_at_most_eight(self):
        self.begin(kvm=("--gop", 100))
        for flow, most in (("?flow=3", 3), ("?flow=1000", 8), ("?flow=4294967295", 8)):
            with self.direct(flow) as viewer:
                for _ in range(most):
                    viewer.frame()
                self.assertEqual(viewer.count_frames(1.0), 0, flow)

    def test_at_the_window_it_waits_for_a_key_frame_and_goes_on_there(self):
        self.begin(kvm=("--gop", 30))
        with self.direct("?flow=2") as viewer:
            viewer.frame()
            _, second, _ = viewer.frame()
            time.sleep(1.2)  # more than a group of pictures, unacknowledged
            with self.assertRaises(TimeoutError):
                viewer.frame(0.05)
            viewer.acknowledge(second)
            kind, timestamp, _ = viewer.frame()
            self.assertEqual(kind, 1)
            self.assertGreater(timestamp, second)

    def test_a_resync_goes_on_at_the_next_key_frame(self):
        self.begin(kvm=("--gop", 30))
        with self.direct() as viewer:
            for _ in range(10):
                viewer.frame()
            viewer.send(b"\3")
            kinds = []
            for _ in range(120):
                kinds.append(viewer.frame()[0])
                if kinds[-1] == 1 and len(kinds) > 2:
                    break
            self.assertEqual(kinds[-1], 1)

    def test_without_flow_a_viewer_that_sleeps_goes_on_at_a_key_frame_of_the_present(self):
        self.begin("--backlog-policy", "best", kvm=("--gop", 30, "--bitrate-kbps", 10000))

        def sleeps():
            with self.direct(receive_buffer=4096) as viewer:
                viewer.frame()
                time.sleep(1.5)  # below the write time limit of 2 s
                before = []  # what was on its way, without a gap

                def present():
                    kind, timestamp, _ = viewer.frame()
                    before.append(kind)
                    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - timestamp < 700_000
                wait_until(present, 30, "the present")
                self.assertIn(1, before)
        self.in_time(sleeps)

    def test_unknown_messages_and_wrong_sizes_change_nothing(self):
        self.begin()
        with self.direct("?flow=8&unknown=1&audio=1") as viewer:
            for payload in (b"", b"\2", b"\2" * 8, b"\2" * 10, b"\3\0", b"\0", b"\xff" * 64, b"\6",
                            b"\4\4"):
                viewer.send(payload)
            viewer.send("gr\u00fc\u00df".encode(), TEXT)
            for _ in range(30):
                _, timestamp, _ = viewer.frame()
                viewer.acknowledge(timestamp)

    def test_a_message_over_64_bytes_ends_the_connection_and_no_other(self):
        self.begin()
        with self.direct() as other, self.direct() as viewer:
            viewer.send(bytes(65))
            with self.assertRaises(Closed) as closed:
                for _ in range(1000):
                    viewer.message()
            self.assertEqual(closed.exception.code, 1009)
            for _ in range(3):  # which would have come next: the server must not be led astray by them
                other.frame()
            viewer.socket.close()
            wait_until(lambda: self.refused("bad_message") == 1, 5, "it is counted")
            for _ in range(20):
                other.frame()

    def test_it_pings_every_15_s_and_lets_go_of_who_takes_nothing_for_2_s(self):
        self.begin(kvm=("--bitrate-kbps", 10000))
        began = time.monotonic()
        with WebSocket(self.port, "/api/state?stream=hdmi/h264") as listener, \
                self.direct(receive_buffer=4096) as stopped:
            stopped.frame()
            wait_until(lambda: self.refused("stuck") == 1, 12, "the one that stopped is let go")
            while True:
                listener.socket.settimeout(40)
                opcode, _ = listener._frame()
                if opcode == 9:
                    break
            self.assertGreater(time.monotonic() - began, 14.5)

    def test_what_is_no_upgrade_is_refused_with_a_sentence(self):
        self.begin()
        self.assertEqual(get(self.port, DIRECT)[0], 426)
        with self.assertRaises(Refused) as refused:
            self.direct("?flow=many")
        self.assertEqual(refused.exception.status, 400)
        with self.assertRaises(Refused) as refused:
            self.direct("?stream=hdmi/mjpeg")
        self.assertEqual(refused.exception.status, 409)
        with self.assertRaises(Refused) as refused:
            self.direct("?stream=../../etc")
        self.assertEqual(refused.exception.status, 400)


class Mp4(WebSocketTest):
    def test_init_first_then_one_fragment_a_frame(self):
        self.begin()
        with WebSocket(self.port, MP4 + "?flow=8&timing=1") as viewer:
            opcode, message = viewer.message()
            self.assertEqual(opcode, TEXT)
            init = json.loads(message)
            self.assertEqual(init["type"], "init")
            self.assertRegex(init["codec"], r"^avc1\.[0-9a-f]{6}$")
            self.assertEqual(init["mime"], f'video/mp4; codecs="{init["codec"]}"')
            self.assertGreater(init["width"], 0)
            opcode, message = viewer.message()
            self.assertEqual((opcode, message[:17]), (BINARY, b"\2" + bytes(16)))
            self.assertEqual(boxes(message[17:]), ["ftyp", "moov"])
            recorded = message[17:]
            last = -1
            for n in range(90):
                kind, timestamp, payload = viewer.frame()
                media_time = struct.unpack_from("<Q", payload)[0]
                fragment = payload[8:]
                self.assertEqual(boxes(fragment), ["moof", "mdat"])
                if n == 0:
                    self.assertEqual(kind, 1)
                decode_time = struct.unpack_from(">Q", fragment, fragment.index(b"tfdt") + 8)[0]
                self.assertEqual(decode_time, media_time)
                self.assertGreater(media_time, last)
                last = media_time
                viewer.acknowledge(timestamp)
                recorded += fragment
        film = self.stage.folder / "film.mp4"
        film.write_bytes(recorded)
        self.assertEqual(self.frames_decoded(film), 90)

    def frames_decoded(self, film):
        if not shutil.which("ffprobe"):
            self.skipTest("no ffprobe here")
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames",
             "-of", "csv=p=0", str(film)], capture_output=True, timeout=60, check=True)
        self.assertEqual(done.stderr, b"")
        return int(done.stdout.strip().rstrip(b","))

    def test_a_changed_size_brings_a_new_init_before_its_key_frame(self):
        self.begin()
        with WebSocket(self.port, MP4) as viewer:
            first = viewer.json("init")
            viewer.frame()
            self.stage.framering("set", "hdmi/h264", "size=640x480")
            second = viewer.json("init", 20)
            self.assertEqual((second["width"], second["height"]), (640, 480))
            self.assertNotEqual((first["width"], first["height"]), (640, 480))
            self.assertEqual(viewer.frame()[0], 2)
            self.assertEqual(viewer.frame()[0], 1)

    def test_timing_and_clock_are_on_the_hosts_clock(self):
        self.begin()
        for path in (DIRECT, MP4):
            with WebSocket(self.port, path + "?timing=1") as viewer:
                timing = viewer.json("timing")
                stages = [timing[name] for name in ("timestamp_us", "encoded_us", "published_us",
                                                    "read_us", "sent_us")]
                self.assertEqual(stages, sorted(stages), timing)
                self.assertEqual(viewer.frame()[1], timing["timestamp_us"])
                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                viewer.send(struct.pack("<BQ", 6, before))
                clock = viewer.json("clock")
                after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                self.assertEqual(clock["echo"], before)
                self.assertTrue(before <= clock["server_us"] <= after, clock)


class Pause(WebSocketTest):
    def test_a_paused_viewer_gets_nothing_and_then_the_present_from_a_key_frame_on(self):
        self.begin()
        for path in (DIRECT, MP4):
            with self.direct() as other, WebSocket(self.port, path) as viewer:
                viewer.frame()
                viewer.send(b"\4")
                self.until_quiet(viewer)
                quiet_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                self.assertEqual(viewer.count_frames(1.5), 0)
                while other.frame()[1] < quiet_us:
                    pass
                viewer.send(b"\5")
                began = time.monotonic()
                kind, timestamp, _ = viewer.frame()
                while kind == 2:
                    kind, timestamp, _ = viewer.frame()
                self.assertEqual(kind, 1)
                while time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - timestamp > 150_000:
                    timestamp = viewer.frame()[1]
                self.assertLess(time.monotonic() - began, 20)  # milliseconds, on a machine at rest

    def test_when_all_viewers_pause_or_go_the_encoder_rests(self):
        self.begin(kvm=("--idle-seconds", 1))
        with self.direct() as viewer:
            viewer.frame()
            reader = self.stage.stat("hdmi/h264")["readers"][0]
            self.assertTrue(reader["demand"])
            viewer.send(b"\4")
            self.stage.wait_for_state("hdmi/h264", ("idle",), 8)
            head = self.stage.stat("hdmi/h264")["head"]
            time.sleep(1)
            self.assertEqual(self.stage.stat("hdmi/h264")["head"], head)
            self.until_quiet(viewer)
            viewer.send(b"\5")
            self.assertEqual(viewer.frame()[0], 1)
        self.stage.wait_for_state("hdmi/h264", ("idle",), 8)


class Control(WebSocketTest):
    def pongs_among_pictures(self, tls=None):
        """Stops reading until the server's socket is full in the middle of a picture, and asks for
        pongs meanwhile: they have to wait for its end, and come."""
        asked = [bytes([n]) * 9 for n in range(8)]
        answered, after, last = [], 0, 0
        with self.direct(receive_buffer=4096, tls=tls) as viewer:
            viewer.frame()
            time.sleep(0.7)
            for payload in asked:
                viewer.send(payload, PING)
            time.sleep(0.5)  # together below the write time limit of 2 s
            while after < 10:
                viewer.socket.settimeout(20)
                opcode, payload = viewer._frame()
                if opcode == PONG:
                    answered.append(payload)
                    continue
                self.assertEqual(opcode, BINARY)
                kind, timestamp = struct.unpack_from("<BQ", payload)
                self.assertEqual((kind == 1, True), (5 in nal_types(payload[9:]), kind <= 1))
                self.assertGreater(timestamp, last)
                last = timestamp
                after += len(answered) == len(asked)
        self.assertEqual(answered, asked)

    def test_no_pong_lands_inside_a_picture(self):
        self.begin("--backlog-policy", "best", kvm=("--bitrate-kbps", 10000))
        self.in_time(self.pongs_among_pictures)
        self.serve("--backlog-policy", "best", "--tls-self-signed", str(self.stage.folder / "tls"),
                   name="tls")
        self.in_time(lambda: self.pongs_among_pictures(unverified_tls()))

    @unittest.skipUnless(LONG, "takes 35 s: FRAMERING_E2E_SECONDS=60")
    def test_pongs_are_enough_to_stay_and_nothing_at_all_is_not(self):
        self.begin()
        with self.direct() as viewer, WebSocket(self.port, "/api/state?stream=hdmi/h264") as mute:
            until = time.monotonic() + 35
            while time.monotonic() < until:
                viewer.message()
            self.assertEqual(self.refused("silent"), 1)
            with self.assertRaises(Closed):
                while True:
                    mute._frame()
            self.assertGreater(viewer.count_frames(1), 0)


class End(WebSocketTest):
    def test_asked_to_end_it_says_goodbye_to_all_and_waits_for_nobody(self):
        self.begin()
        viewers = [self.direct(), WebSocket(self.port, MP4), self.direct("?flow=8"),
                   WebSocket(self.port, "/api/state?stream=hdmi/h264")]
        stopped = self.direct(receive_buffer=4096)
        half = connect(self.port)
        half.sendall(b"GET /api/streams HTTP/1.1\r\n")
        pictures = connect(self.port)
        pictures.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(read_head(pictures)[0], 200)
        for viewer in viewers:
            viewer.message()
        self.server.send(signal.SIGTERM)
        for viewer in viewers:
            with self.assertRaises(Closed) as closed:
                while True:
                    viewer.message()
            self.assertEqual((closed.exception.code, closed.exception.reason),
                             (1001, "this server ends"))
            viewer.send(struct.pack(">H", 1001), CLOSE)
        self.assertEqual(self.server.wait(10), 0)
        with self.assertRaises(OSError):
            connect(self.port)
        for end in (stopped.socket, half, pictures, *(viewer.socket for viewer in viewers)):
            end.close()

    def test_with_nobody_there_it_ends_at_once(self):
        self.begin()

        def ends_after():
            self.serve()
            with self.direct() as viewer:
                viewer.frame()
            began = time.monotonic()
            self.assertEqual(self.server.stop(), 0)
            return time.monotonic() - began
        measure_again(ends_after, 5)


class Slow(WebSocketTest):
    def test_a_viewer_that_stops_reading_changes_nothing_for_the_others(self):
        self.begin("--backlog-policy", "best", kvm=("--bitrate-kbps", 10000))
        with self.direct() as good, self.direct(receive_buffer=4096) as stopped:
            stopped.frame()
            def second_without_a_gap():
                last = began = time.monotonic()
                numbers = 0
                while last - began < 1:
                    good.frame()
                    numbers += 1
                    if time.monotonic() - last > 0.5:
                        return False
                    last = time.monotonic()
                return numbers > 12
            wait_until(lambda: self.metric('frames_dropped_total{way="direct"}') > 0, 30,
                       "the one that stopped loses frames")
            wait_until(second_without_a_gap, 30, "the other has all of its own")
            wait_until(lambda: self.refused("stuck") == 1, 30, "the one that stopped is let go")
            wait_until(second_without_a_gap, 30, "the other has all of its own")


class Ustreamer(WebSocketTest):
    def test_state_has_the_shape_that_scripts_read(self):
        self.begin()
        with connect(self.port) as viewer:
            viewer.sendall(b"GET /stream?key=abc&extra_headers=1 HTTP/1.0\r\n\r\n")
            status, headers, rest = read_head(viewer)
            self.assertEqual(status, 200)
            self.assertEqual(headers["content-type"],
                             "multipart/x-mixed-replace;boundary=boundarydonotcross")
            self.assertRegex(headers["set-cookie"], r"^stream_client=abc/[0-9a-f]+; path=/; ")
            while b"\xff\xd8" not in rest:
                rest += viewer.recv(4096)
            for header in (b"Content-Length: ", b"X-Timestamp: ", b"X-UStreamer-Online: true",
                           b"X-UStreamer-Width: ", b"X-UStreamer-Latency: "):
                self.assertIn(header, rest)
            state = json.loads(get(self.port, "/state")[2])
            self.assertIs(state["ok"], True)
            self.assertIs(state["result"]["source"]["online"], True)
            self.assertGreater(state["result"]["source"]["resolution"]["width"], 0)
            self.assertEqual(state["result"]["stream"]["clients"], 1)
            [client] = state["result"]["stream"]["clients_stat"].values()
            self.assertIs(client["extra_headers"], True)
            self.assertIs(client["dual_final_frames"], False)
        wait_until(lambda: json.loads(get(self.port, "/state")[2])["result"]["stream"]["clients"]
                   == 0, 5, "the client is gone from the list")

    def test_advance_headers_and_zero_data_do_what_they_say(self):
        self.begin()
        for query, expected in (("advance_headers=1", rb"^--boundarydonotcross\r\n"
                                 rb"Content-Type: image/jpeg\r\nX-Timestamp: [\d.]+\r\n\r\n\xff\xd8"),
                                ("zero_data=1&nonsense=%20", rb"^--boundarydonotcross\r\n"
                                 rb"Content-Type: image/jpeg\r\nContent-Length: 0\r\n"
                                 rb"X-Timestamp: [\d.]+\r\n\r\n\r\n--boundarydonotcross")):
            with connect(self.port) as viewer:
                viewer.sendall(f"GET /stream?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                _, _, rest = read_head(viewer)
                while len(rest) < 200:
                    rest += viewer.recv(4096)
                self.assertRegex(rest, expected)

    def test_snapshot_is_a_jpeg(self):
        self.begin()
        status, headers, body = get(self.port, "/snapshot?download=1")
        self.assertEqual((status, headers["content-type"]), (200, "image/jpeg"))
        self.assertTrue(body.startswith(b"\xff\xd8") and b"\xff\xd9" in body[-16:])
        self.assertEqual(headers["x-ustreamer-online"], "true")

    def test_nanokvms_mjpeg_is_as_it_was_and_begins_with_the_newest_picture(self):
        self.begin()
        with connect(self.port) as viewer:
            viewer.sendall(b"GET /api/stream/mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _, headers, rest = read_head(viewer)
            self.assertEqual(headers["content-type"], "multipart/x-mixed-replace; boundary=frame")
            for _ in range(5):
                while not re.match(rb"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: (\d+)"
                                   rb"\r\n\r\n", rest):
                    rest += viewer.recv(1 << 16)
                length = int(re.search(rb"Content-Length: (\d+)", rest)[1])
                body = rest.index(b"\r\n\r\n") + 4
                while len(rest) < body + length + 2:
                    rest += viewer.recv(1 << 16)
                self.assertEqual(rest[body:body + 2], b"\xff\xd8")
                self.assertEqual(rest[body + length:body + length + 2], b"\r\n")
                rest = rest[body + length + 2:]


if __name__ == "__main__":
    main()
