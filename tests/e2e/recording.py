# SPDX-License-Identifier: Apache-2.0
"""What the tests of the recorder have in common: films to publish, and looking into recordings."""

import concurrent.futures
import ctypes
import functools
import json
import pathlib
import re
import socket
import subprocess
import time
from ctypes import byref, c_char_p, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

import reader as c_api
from harness import Process, StageTest, wait_until
from reader import Reader

EXTENSIONS = ("mp4", "mkv", "ts")
# What a container rounds a time stamp to, seconds.
TICK = {"mp4": 1e-6, "mkv": 0.001, "ts": 1 / 90_000}
# 12 bars of 24 pixels: the picture's number in binary, white is 1. 30 pictures a second.
BITS = 12
BAR = 24
BARCODE = (f"color=black:size={BITS * BAR}x64:rate=30,"
           f"geq=lum='if(mod(floor(N/pow(2,floor(X/{BAR}))),2),220,30)':cb=128:cr=128")


def run(*command, seconds=120, check=True, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=seconds,
                          check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done


def make_film(path, seconds=4, rate=30, source=None, codec=("libx264",), filters=None, gop=15,
              b_frames=0):
    """A film by ffmpeg; `filters` may change its time stamps."""
    source = source or f"testsrc=size=320x180:rate={rate}"
    x264 = ("-preset", "ultrafast", "-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0",
            "-bf", str(b_frames)) if codec[0] in ("libx264", "libx265") else ()
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"{source}", "-t", seconds,
        *(("-vf", filters) if filters else ()), "-fps_mode", "passthrough", "-c:v", *codec, *x264,
        "-pix_fmt", "yuv420p" if codec[0] != "mjpeg" else "yuvj420p", path)
    return path


def packets(path):
    """(pts, dts, key) of each in the order of the file; seconds from the first dts or pts."""
    done = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
               "packet=pts_time,dts_time,flags", "-of", "json", path)
    found = json.loads(done.stdout)["packets"]
    return [(float(one["pts_time"]), float(one.get("dts_time", "nan")), "K" in one["flags"])
            for one in found]


def decode(path, must_be_whole=True):
    """How many pictures ffmpeg decodes; complaints fail the test if it must be whole."""
    done = run("ffmpeg", "-v", "error", "-i", path, "-f", "framecrc", "-fps_mode", "passthrough", "-",
               check=must_be_whole)
    if must_be_whole and done.stderr:
        raise AssertionError(f"{path}: {done.stderr.decode(errors='replace')}")
    return sum(1 for line in done.stdout.splitlines() if line and not line.startswith(b"#"))


def barcodes(path):
    """The numbers in the pictures, in the order of showing."""
    done = run("ffmpeg", "-v", "error", "-i", path, "-vf",
               f"scale={BITS}:1:flags=area,format=gray", "-f", "rawvideo", "-fps_mode",
               "passthrough", "-", check=False)
    rows = [done.stdout[at:at + BITS] for at in range(0, len(done.stdout), BITS)]
    return [sum((1 << bit) for bit, level in enumerate(row) if level > 125) for row in rows]


def is_run(numbers):
    """Each number follows the one before."""
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


class Published(NamedTuple):
    number: int
    pts: int
    dts: int
    key: bool
    size: int
    captured_ns: int
    published_ns: int


class Listener:
    """Everything that is published from now on, as a reader of its own sees it."""

    def __init__(self, stage, stream):
        self.reader = Reader(stage, stream, "every", "oldest")
        self.frames = []

    def listen(self, seconds=0.0):
        """Takes what is there, and what comes within that time; true when the stream has ended."""
        deadline = time.monotonic() + seconds
        while True:
            result = self.reader.next(max(0.0, deadline - time.monotonic()))
            if result == c_api.READY:
                frame = self.reader.frame
                self.frames.append(Published(frame.number, frame.pts, frame.dts, self.reader.key,
                                             frame.size, frame.captured_ns, frame.published_ns))
            elif result == c_api.ENDED:
                return True
            elif result == c_api.TIMEOUT:
                return False

    def listen_to_the_end(self, seconds=60):
        wait_until(lambda: self.listen(0.2), seconds, "the stream's end")
        return self.frames


def pictures_of(film):
    """The pictures of an elementary stream, one packet each."""
    done = run("ffprobe", "-v", "error", "-show_entries", "packet=size", "-of", "csv=p=0", film)
    raw, at, pictures = film.read_bytes(), 0, []
    for line in done.stdout.decode().split():
        size = int(line.split(",")[0])
        pictures.append(raw[at:at + size])
        at += size
    return pictures


class _WriterOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("codec", c_uint32), ("stream", c_char_p),
                ("socket_dir", c_char_p), ("program", c_char_p), ("history_bytes", c_uint64),
                ("max_frame_bytes", c_uint64), ("inter_coded", c_uint32),
                ("rest", c_uint32 * 7)]


class Writer:
    """A producer in the test's own process, which may claim what it likes."""

    def __init__(self, stage, stream, codec):
        self.library = c_api.load_library()
        self.library.framering_writer_open.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self.library.framering_writer_publish.argtypes = [c_void_p, ctypes.c_void_p, c_void_p]
        self.library.framering_writer_set_state.argtypes = [c_void_p, ctypes.c_int]
        self.library.framering_writer_close.argtypes = [c_void_p]
        options = _WriterOptions(struct_size=ctypes.sizeof(_WriterOptions),
                                 codec=int.from_bytes(codec.encode(), "little"),
                                 stream=stream.encode(), socket_dir=str(stage.socket_dir).encode(),
                                 inter_coded=codec != "MJPG")
        self.handle = c_void_p()
        if self.library.framering_writer_open(byref(options), byref(self.handle)) != 0:
            raise AssertionError(self.library.framering_last_error().decode())
        self.library.framering_writer_set_state(self.handle, c_api.STATES.index("live"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.framering_writer_close(self.handle)

    def publish(self, picture, key, pts, dts, captured_ns, size, strides=(), offsets=()):
        buffer = ctypes.create_string_buffer(picture, max(len(picture), 1))
        frame = c_api.Frame(struct_size=ctypes.sizeof(c_api.Frame), flags=c_api.KEY if key else 0,
                            bytes=ctypes.cast(buffer, ctypes.POINTER(ctypes.c_uint8)),
                            size=len(picture), pts=pts, dts=dts, captured_ns=captured_ns,
                            width=size[0], height=size[1],
                            stride=(ctypes.c_uint32 * 4)(*strides),
                            plane_offset=(ctypes.c_uint32 * 4)(*offsets))
        self.library.framering_writer_publish(self.handle, byref(frame), None)


class RecorderTest(StageTest):
    def setUp(self):
        super().setUp()
        self.stage.env.pop("MALLOC_PERTURB_", None)  # meson's: it touches memory that nobody else does
        self.output = self.stage.folder / "video"
        self.stage.broker()

    def record(self, stream, *arguments, name="recorder", output=None, ready=True):
        process = self.stage.start(name, "framering-recorder", stream, "--output",
                                   output or self.output, *arguments)
        return process.wait_ready() if ready else process

    def at_once(self, *cases):
        """Runs the cases side by side: most of their time is a film that plays."""
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
            running = {pool.submit(case): case for case in cases}
            failed = []
            for done in concurrent.futures.as_completed(running):
                case = running[done]
                error = done.exception()
                name = case.__doc__
                if isinstance(case, functools.partial):
                    name = f"{case.func.__name__} {' '.join(str(word) for word in case.args)}"
                print(f"# {name}: {'FAILED' if error else 'ok'}", flush=True)
                if error:
                    failed.append((name, error))
        for name, error in failed:
            raise AssertionError(f"{name} ({len(failed)} failed)") from error

    def start_command(self, name, *command):
        process = Process(self.stage, name, [str(word) for word in command], self.stage.env)
        self.stage.processes.append(process)
        return process

    def film(self, path, *arguments, stream="film", name="producer"):
        return self.stage.start(name, "framering-producer", "--source", "file", "--input", path,
                                "--stream", stream, *arguments)

    def files(self, output=None):
        return sorted(path for path in pathlib.Path(output or self.output).glob("*_*.*"))

    def index(self, output=None):
        path = pathlib.Path(output or self.output) / "index.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def status(self, recorder, stream="film"):
        """What `framering stat` asks it, which needs no stream to be there."""
        name = f"recorder.{stream.replace('/', '-')}.{recorder.pid}.sock"
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(30)
            address = str(self.stage.socket_dir / name)
            wait_until(lambda: asking.connect_ex(address) == 0, 10, f"an answer: {recorder.log}")
            asking.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            reply = b"".join(iter(lambda: asking.recv(4096), b""))
        return json.loads(reply.split(b"\r\n\r\n", 1)[1])

    def wait_for_bytes(self, recorder, stream="film"):
        wait_until(lambda: self.status(recorder, stream)["bytes"] > 1000, 20,
                   f"a recording: {recorder.log}")


def anonymous_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s*(\d+)", text, re.MULTILINE)[1])
