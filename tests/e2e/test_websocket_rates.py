#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What viewers can take reaches the encoder: bitrate and quality give way and come back, inside the
operator's bounds, for the viewer whose need counts. Slow lines are made by a process in between."""

import re
import socket
import threading
import time

from harness import main, program, wait_until
from test_websocket import DIRECT, WebSocketTest
from websocket_client import Closed, WebSocket, connect, read_head

FPS = 30
FAST = 1_000_000  # kbit/s
LADDER = (80, 70, 60)  # JPEG quality
PATIENCE = 60  # seconds: a machine that others use too adapts late, but it does


class Line:
    """Listens at `port`; what comes from the server goes on at `kbps`, which may change."""

    def __init__(self, test, server_port, kbps):
        self.kbps = kbps
        self.server_port = server_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends = [self.listener]
        test.addCleanup(self.close)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _serve(self):
        viewer, _ = self.listener.accept()
        server = connect(self.server_port, receive_buffer=16384, timeout=None)
        self.ends += [viewer, server]
        threading.Thread(target=self._copy, args=(viewer, server, lambda: FAST), daemon=True).start()
        self._copy(server, viewer, lambda: self.kbps)

    @staticmethod
    def _copy(source, sink, kbps):
        try:
            while piece := source.recv(4096):
                sink.sendall(piece)
                time.sleep(len(piece) * 8 / kbps() / 1000)
        except OSError:
            pass


class MjpegViewer:
    """Reads for ever; `tables` has each change of the quantisation table, which is the quality."""

    def __init__(self, test, port, stream):
        self.tables = []
        self.socket = connect(port, timeout=None)
        test.addCleanup(self.close)
        self.socket.sendall(f"GET /api/stream/mjpeg?stream={stream} HTTP/1.1\r\n"
                            "Host: localhost\r\n\r\n".encode())
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def table(self):
        return self.tables[-1] if self.tables else None

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _read(self):
        try:
            data = read_head(self.socket)[2]
            while piece := self.socket.recv(1 << 16):
                data += piece
                found = re.search(rb"\xff\xdb..(.{65})", data, re.DOTALL)
                if not found:
                    data = data[-70:]
                    continue
                if found[1] != self.table:
                    self.tables.append(found[1])
                data = data[found.end():]
        except OSError:
            pass


class Rates(WebSocketTest):
    def published_kbps(self, stream, frames=FPS):
        """Of so many frames, as if they came as often as they should: a busy machine makes fewer."""
        before = self.stage.stat(stream)

        def has_gone_on():
            now = self.stage.stat(stream)
            return now if now["head"] >= before["head"] + frames else None
        time.sleep(frames / FPS)
        after = wait_until(has_gone_on, PATIENCE, f"{frames} frames")
        bits = (after["bytes_published"] - before["bytes_published"]) * 8
        return bits / (after["head"] - before["head"]) * FPS / 1000

    def acknowledge_all(self, viewer):
        """In the background, as a player does: whatever has come is dealt with."""
        def run():
            try:
                while True:
                    viewer.acknowledge(viewer.frame(600)[1])
            except (OSError, Closed):
                pass  # the test is done with it
        threading.Thread(target=run, daemon=True).start()

    def test_the_bitrate_follows_a_line_down_and_up_again(self):
        least = 500
        self.begin(kvm=("--bitrate-kbps", 6000, "--min-bitrate-kbps", least))
        line = Line(self, self.port, FAST)
        with WebSocket(line.port, DIRECT + "?flow=8") as viewer:
            self.acknowledge_all(viewer)
            before = self.published_kbps("hdmi/h264", 2 * FPS)
            self.assertGreater(before, 2 * least, "the picture is lively enough")
            line.kbps = 0.7 * before

            def dropped():
                return self.metric('frames_dropped_total{way="direct"}')

            def fits():
                lost = dropped()
                now = self.published_kbps("hdmi/h264")
                return now if now < 0.85 * before and dropped() == lost else None
            low = wait_until(fits, PATIENCE, "the stream fits the line, and no frame is dropped")
            lost = dropped()
            line.kbps = 60
            wait_until(lambda: dropped() > lost + 15, PATIENCE, "the line is too slow for anything")
            least_seen = min(self.published_kbps("hdmi/h264") for _ in range(2))
            self.assertGreater(least_seen, least / 2, "the operator's bound holds")
            line.kbps = FAST
            wait_until(lambda: self.published_kbps("hdmi/h264") > 1.15 * max(least_seen, least),
                       PATIENCE, "the bitrate comes back")
            print(f"# {before:.0f} kbit/s; through {0.7 * before:.0f} kbit/s {low:.0f}; through "
                  f"60 kbit/s {least_seen:.0f}, with {least} as the least", flush=True)

    def test_the_quality_steps_down_and_up_for_the_viewer_who_counts(self):
        self.stage.broker()
        ports = {}
        for policy in ("worst", "median", "best"):
            self.stage.start("producer-" + policy, "framering-producer", "--source", "kvm",
                             "--library", program("libkvm_mmf.so"), "--stream", policy,
                             "--width", 640, "--height", 384, "--min-quality", LADDER[-1],
                             env={"KVM_STANDIN_CONTROL": str(self.stage.folder / policy)})
            self.serve("--backlog-policy", policy, name="websocket-" + policy)
            ports[policy] = self.port
            self.stage.wait_for_stream(policy + "/mjpeg")
        good = {policy: [MjpegViewer(self, ports[policy], policy + "/mjpeg") for _ in range(2)]
                for policy in ports}

        tables = {}
        wait_until(lambda: good["worst"][0].table, PATIENCE, "a picture")
        for quality in (70, 60, 80):
            old = good["worst"][0].table
            self.stage.framering("set", "worst/mjpeg", f"quality={quality}")
            wait_until(lambda: good["worst"][0].table not in (old, None), PATIENCE, "it is taken")
            tables[good["worst"][0].table] = quality

        def quality(policy):
            return tables.get(good[policy][0].table)

        def add_slow(policy):
            line = Line(self, ports[policy], 400)
            return MjpegViewer(self, line.port, policy + "/mjpeg")

        good["worst"][0].tables = good["worst"][0].tables[-1:]
        slow = {policy: [add_slow(policy)] for policy in ports}
        wait_until(lambda: [quality(p) for p in ports] == [60, 80, 80], PATIENCE,
                   "one of three is slow: only `worst` gives way")
        slow["worst"][0].close()
        for policy in ("median", "best"):
            slow[policy] += [add_slow(policy), add_slow(policy)]
        wait_until(lambda: [quality(p) for p in ports][1:] == [60, 80], PATIENCE,
                   "three of five are slow: `median` gives way too")
        for viewer in good["best"]:
            viewer.close()
        wait_until(lambda: tables.get(slow["best"][0].table) == 60, PATIENCE,
                   "all are slow: `best` gives way at last")
        wait_until(lambda: quality("worst") == 80, PATIENCE, "without the slow one, it recovers")
        seen = [tables.get(table) for table in good["worst"][0].tables]
        print(f"# quality of `worst`: {seen}", flush=True)
        self.assertLessEqual(set(seen), set(LADDER), "no step beside the ladder, none below it")
        self.assertEqual(seen[:3], list(LADDER))
        self.assertEqual(seen[-3:], list(reversed(LADDER)))


if __name__ == "__main__":
    main()
