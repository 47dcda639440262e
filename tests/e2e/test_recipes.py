#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recipes of consumers/websocket/README.md, word for word: what comes out at the far end is read
from the barcode in its pictures. Only for programs that are here; with FRAMERING_E2E_RECIPES=1 a
program that is not here is built (go2rtc, MediaMTX), or fails the test (VLC)."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

from harness import BUILD, FOLDERS, main, wait_until
from test_websocket import WebSocketTest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
README = SOURCE / "consumers" / "websocket" / "README.md"
BUILT = SOURCE / "artifacts" / "recipes"  # programs that were built for this test
ALL = os.environ.get("FRAMERING_E2E_RECIPES", "0") == "1"
GO_PROGRAMS = {"go2rtc": ("github.com/AlexxIT/go2rtc", "v1.9.9"),
               "mediamtx": ("github.com/bluenviron/mediamtx", "v1.12.3")}
OLDEST_S = 20  # a picture; more is no live stream
NOBODY = 65534


def recipe(heading, number=0):
    """A block of code under a heading of the README."""
    section = re.search(rf"^### {heading}.*?\n(.*?)(?=^##|\Z)", README.read_text(),
                        re.MULTILINE | re.DOTALL)[1]
    return re.findall(r"^```\w+\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[number]


def free_port():
    """Out of those that the kernel gives to nobody by itself, so that nobody has taken it when it is used."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.randrange(10_000, 30_000))) as probe:
                return probe.getsockname()[1]
        except OSError:
            pass


def checksum(rows):
    """CRC-16/CCITT-FALSE, as tests/vendor_standin/README.md has it."""
    crc = 0xFFFF
    for byte in b"".join(row.to_bytes(4, "big") for row in rows):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc


def barcodes(*source, count, seconds=60):
    """(number, time in s) of so many pictures that ffmpeg reads from there, 640 pixels wide."""
    command = ["ffmpeg", "-v", "error", *source, "-frames:v", str(count), "-fps_mode",
               "passthrough", "-vf", "crop=256:32:0:0,scale=32:4:flags=area,format=gray",
               "-f", "rawvideo", "-"]
    done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    found = []
    for at in range(0, len(done.stdout), 128):
        bits = "".join("1" if level > 125 else "0" for level in done.stdout[at:at + 128])
        rows = [int(bits[row:row + 32], 2) for row in range(0, 128, 32)]
        if rows[0] == 0xA5C3 << 16 | checksum(rows[1:]):
            found.append((rows[1], (rows[2] << 32 | rows[3]) / 1e6))
    return found, done.stderr.decode(errors="replace")


def build(name):
    """As its authors build it, but for what they download at that time and nothing here needs."""
    module, version = GO_PROGRAMS[name]
    BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        def go(*arguments, **options):
            return subprocess.run(["go", *arguments], cwd=folder, timeout=1500, check=True,
                                  env={**os.environ, "CGO_ENABLED": "0", **options},
                                  stdout=subprocess.PIPE).stdout
        downloaded = json.loads(go("mod", "download", "-json", f"{module}@{version}"))["Dir"]
        source = pathlib.Path(folder) / name
        shutil.copytree(downloaded, source)
        for path in (source, *source.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
        for generated, text in (("internal/core/VERSION", version),
                                ("internal/servers/hls/hls.min.js", "")):
            if (source / generated).parent.is_dir():
                (source / generated).write_text(text)
        go("-C", str(source), "build", "-o", str(BUILT / name), ".")


class Recipes(WebSocketTest):
    def setUp(self):
        super().setUp()
        self.programs = self.stage.folder / "programs"
        self.programs.mkdir()
        for name, folder in FOLDERS.items():
            (self.programs / name).symlink_to(BUILD / folder / name)
        self.stage.folder.chmod(0o755)

    def need(self, name):
        if shutil.which(name) or (BUILT / name).exists():
            return
        if not ALL:
            self.skipTest(f"no {name} here; FRAMERING_E2E_RECIPES=1 wants all of them")
        if name not in GO_PROGRAMS:
            self.fail(f"no {name} here: apt-get install vlc-bin vlc-plugin-base")
        build(name)

    def run_in_background(self, name, command, **env):
        """With our programs in PATH. Ends with the test."""
        path = f"{self.programs}:{os.environ['PATH']}:{BUILT}"
        with open(self.stage.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, env={**self.stage.env, "PATH": path, **env}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.stage.folder, start_new_session=True)

        def end():
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
        self.addCleanup(end)
        return process

    def start_stream(self):
        self.begin(kvm=("--width", 640, "--height", 384))

    def assert_live(self, found, complaints, count=20):
        numbers = [number for number, _ in found]
        self.assertGreaterEqual(len(numbers), count, complaints)
        self.assertEqual(numbers, sorted(numbers))
        self.assertGreater(len(set(numbers)), count // 2)
        age = time.time() - found[-1][1]
        self.assertLess(age, OLDEST_S)
        print(f"# {len(found)} pictures, the last {age:.1f} s after it was drawn", flush=True)

    def assert_plays_rtsp(self, name, url):
        result = ([], "")

        def plays():
            nonlocal result
            result = barcodes("-rtsp_transport", "tcp", "-i", url, count=40)
            return len(result[0]) >= 20
        wait_until(plays, 60, f"{name} serves {url}; its log:\n" +
                   (self.stage.folder / f"{name}.log").read_text(errors="replace"))
        self.assert_live(*result)

    def test_go2rtc(self):
        self.need("go2rtc")
        self.start_stream()
        port = free_port()
        (self.stage.folder / "go2rtc.yaml").write_text(recipe("go2rtc"))
        others = {"api": {"listen": ""}, "webrtc": {"listen": ""}, "srtp": {"listen": ""},
                  "rtsp": {"listen": f"127.0.0.1:{port}"}}
        self.run_in_background("go2rtc", ["go2rtc", "-config", "go2rtc.yaml",
                                          "-config", json.dumps(others)])
        self.assert_plays_rtsp("go2rtc", f"rtsp://127.0.0.1:{port}/kvm")

    def test_mediamtx(self):
        self.need("mediamtx")
        self.start_stream()
        port = free_port()
        (self.stage.folder / "mediamtx.yml").write_text(recipe("MediaMTX"))
        self.run_in_background("mediamtx", ["mediamtx", "mediamtx.yml"], MTX_RTMP="no", MTX_HLS="no",
                               MTX_SRT="no", MTX_WEBRTC="no", MTX_RTSPTRANSPORTS="tcp",
                               MTX_RTSPADDRESS=f"127.0.0.1:{port}")
        self.assert_plays_rtsp("mediamtx", f"rtsp://127.0.0.1:{port}/hdmi/h264")

    def test_vlc(self):
        self.need("cvlc")
        self.start_stream()
        for number in range(2):
            pictures = self.stage.folder / f"pictures{number}"
            pictures.mkdir()
            pictures.chmod(0o777)
            # It keeps each picture as a file, and does not run as root.
            player = (f"cvlc --no-audio --vout dummy --video-filter scene --scene-format png "
                      f"--scene-ratio 1 --scene-path {pictures}")
            if os.geteuid() == 0:
                player = (f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "
                          f"env HOME={pictures} {player}")
            command = re.sub(r"\bvlc\b", player, recipe("VLC", number), count=1)
            command = command.replace(":8080/", f":{self.port}/")
            process = self.run_in_background(f"vlc{number}", ["sh", "-c", command])
            log = self.stage.folder / f"vlc{number}.log"
            wait_until(lambda: process.poll() is not None or len(list(pictures.glob("*.png"))) > 40,
                       60, f"VLC shows pictures:\n{log.read_text(errors='replace')}")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kept = sorted(pictures.glob("*.png"))[:-1]  # the last may be half written
            self.assertGreater(len(kept), 20, log.read_text(errors="replace"))
            self.assert_live(*barcodes("-pattern_type", "glob", "-i", f"{pictures}/*.png",
                                       count=len(kept)))

    def test_obs_reads_with_this_library(self):
        self.start_stream()
        words = recipe("OBS Studio").replace(":8080/", f":{self.port}/").split()
        source = words[1:words.index("-f", 3)]
        self.assert_live(*barcodes(*source, count=40))


if __name__ == "__main__":
    main()
