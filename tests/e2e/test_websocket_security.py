#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""framering-websocket among people who mean it harm: refused, counted, and nobody else notices."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import resource
import ssl
import stat
import subprocess
import time
import warnings

from harness import main, program, wait_until
from test_websocket import DIRECT, MP4, WebSocketTest
from websocket_client import (TEXT, Closed, Refused, WebSocket, connect, get, read_head,
                              unverified_tls)

SECRET = "0123456789abcdef0123456789abcdef"
LONG = float(os.environ.get("FRAMERING_E2E_SECONDS", 0)) > 0
HALF_OPEN = 10_000 if LONG else 1_500


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(secret=SECRET, header=None, **claims):
    text = ".".join(base64url(json.dumps(part).encode())
                    for part in (header or {"alg": "HS256", "typ": "JWT"}, claims))
    return text + "." + base64url(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


class Access(WebSocketTest):
    def refuses_to_start(self, *arguments):
        done = subprocess.run([program("framering-websocket"), *arguments], env=self.stage.env,
                              capture_output=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stdout.decode() + done.stderr.decode()

    def secret_file(self):
        path = self.stage.folder / "secret"
        path.write_text(SECRET + "\n")
        return str(path)

    def test_it_is_not_opened_to_the_network_by_mistake(self):
        secret, folder = self.secret_file(), str(self.stage.folder / "tls")
        for arguments in ((), ("--token-secret-file", secret), ("--tls-self-signed", folder)):
            said = self.refuses_to_start("--listen", "0.0.0.0:0", *arguments)
            self.assertIn("--insecure-open-to-network", said)
        (self.stage.folder / "short").write_text("hunter2")
        said = self.refuses_to_start("--token-secret-file", str(self.stage.folder / "short"))
        self.assertIn("openssl rand", said)
        self.assertIn("cannot read", self.refuses_to_start("--token-secret-file", "/nowhere"))
        self.assertIn("/nowhere", self.refuses_to_start("--tls-cert", "/nowhere", "--tls-key", "/no"))
        self.serve("--insecure-open-to-network", listen="0.0.0.0:0")
        self.assertIn("other machines reach", self.server.log)

    def test_only_a_token_that_is_signed_and_not_over_opens_anything(self):
        self.begin("--token-secret-file", self.secret_file())
        later = int(time.time()) + 600
        good = token(exp=later, username="admin")  # as NanoKVM's server makes them
        bad = {
            "none": "", "garbage": "a.b.c", "another secret": token("x" * 32, exp=later),
            "over": token(exp=int(time.time()) - 1), "for ever": token(username="admin"),
            "unsigned": token(header={"alg": "none"}, exp=later).rsplit(".", 1)[0] + ".",
            "another algorithm": token(header={"alg": "HS512"}, exp=later),
            "not yet": token(exp=later, nbf=later), "long": "a" * 5000,
        }
        for path in ("/", "/api/streams", "/snapshot", "/stream", "/state", "/metrics", "/nowhere"):
            self.assertEqual(get(self.port, path)[0], 401, path)
        for name, word in bad.items():
            header = f"Authorization: Bearer {word}"
            self.assertEqual(get(self.port, "/api/streams", [header])[0], 401, name)
            with self.assertRaises(Refused, msg=name) as refused:
                self.direct(headers=[f"Cookie: nano-kvm-token={word}"])
            self.assertEqual(refused.exception.status, 401)
            self.assertEqual(get(self.port, f"/login?token={word}")[0], 401, name)
        self.assertEqual(get(self.port, "/healthz")[0], 200)
        for header in (f"Authorization: Bearer {good}", f"Cookie: a=b; nano-kvm-token={good}",
                       f"Cookie: framering-token={good}"):
            self.assertEqual(get(self.port, "/api/streams", [header])[0], 200)
            with self.direct(headers=[header]) as viewer:
                self.assertEqual(viewer.frame()[0], 1)
        status, headers, _ = get(self.port, f"/login?token={good}")
        self.assertEqual((status, headers["location"]), (303, "/"))
        self.assertEqual(headers["set-cookie"],
                         f"framering-token={good}; Path=/; HttpOnly; SameSite=Strict")
        text = get(self.port, "/metrics", [f"Authorization: Bearer {good}"])[2].decode()
        count = 7 + 3 * len(bad)
        self.assertIn(f'framering_websocket_refused_total{{cause="no_token"}} {count}\n', text)
        made = subprocess.run([program("framering-websocket"), "--token-secret-file",
                               self.secret_file(), "--make-token", "1"], capture_output=True,
                              timeout=60, check=True).stdout.decode().strip()
        self.assertEqual(get(self.port, "/", [f"Authorization: Bearer {made}"])[0], 200)

    def test_pages_of_other_sites_and_rebound_names_are_refused(self):
        self.begin("--allow-origin", "https://home.example", "--host-name", "kvm.example")
        for origin in ("http://evil.example", "null", f"http://localhost:{self.port}.evil.example"):
            with self.assertRaises(Refused, msg=origin) as refused:
                self.direct(headers=[f"Origin: {origin}"])
            self.assertEqual(refused.exception.status, 403)
        self.assertEqual(self.refused("foreign_origin"), 3)
        for origin in (f"http://localhost:{self.port}", "https://home.example"):
            with self.direct(headers=[f"Origin: {origin}"]) as viewer:
                viewer.frame()
        for host in ("evil.example", "localhost.evil.example:80"):
            self.assertEqual(get(self.port, "/snapshot", [f"Host: {host}"])[0], 403)
        self.assertEqual(self.refused("unknown_host"), 2)
        for host in ("kvm.example", "127.0.0.1", f"[::1]:{self.port}"):
            self.assertEqual(get(self.port, "/api/streams", [f"Host: {host}"])[0], 200)

    def test_tls_with_a_certificate_that_it_makes_once(self):
        folder = self.stage.folder / "tls"
        self.begin("--tls-self-signed", str(folder), "--host-name", "kvm.example")
        tls = unverified_tls()
        self.assertEqual(stat.S_IMODE((folder / "key.pem").stat().st_mode), 0o600)
        with WebSocket(self.port, DIRECT + "?flow=8", tls=tls) as viewer, \
                WebSocket(self.port, MP4, tls=tls) as film:
            for _ in range(30):
                viewer.acknowledge(viewer.frame()[1])
                film.frame()
            self.assertEqual(viewer.socket.version(), "TLSv1.3")
            with connect(self.port, tls=tls) as pictures:
                pictures.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(read_head(pictures)[0], 200)
        trusting = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        self.assertEqual(get(self.port, "/healthz", tls=trusting)[0], 200)  # localhost is in it
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they are deprecated is why they are tried
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            connect(self.port, tls=old)
        with connect(self.port) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b"200", plain.recv(4096)[:20])
        text = get(self.port, "/metrics", tls=tls)[2].decode()
        self.assertRegex(text, r'refused_total\{cause="tls"\} [12]\n')
        before = (folder / "cert.pem").read_bytes()
        self.server.stop()
        self.serve("--tls-self-signed", str(folder), name="again")
        self.assertEqual((folder / "cert.pem").read_bytes(), before)


class Attacks(WebSocketTest):
    """In each, an honest viewer from another address looks on."""

    def watch(self):
        viewer = self.direct("", source="127.0.0.9")
        self.addCleanup(viewer.socket.close)
        viewer.frame()
        return viewer

    def assert_unharmed(self, viewer):
        wait_until(lambda: viewer.count_frames(0.7) > 10, 30, "the viewer has its frames")
        self.assertTrue(self.server.running)

    def test_slowloris_gets_neither_all_places_nor_all_the_time(self):
        self.begin("--max-connections", 40, "--max-connections-per-address", 30)
        viewer = self.watch()
        slow = []
        for n in range(100):
            drop = connect(self.port, source=f"127.0.1.{n % 4 + 1}")
            try:
                drop.sendall(b"GET /api/stream/h264/direct HTTP/1.1\r\nHost: loc")
            except OSError:
                pass
            slow.append(drop)
        self.assert_unharmed(viewer)
        for _ in range(3):  # the places are all taken, and yet who asks gets one
            self.assertEqual(get(self.port, "/api/streams", source="127.0.0.8")[0], 200)
        self.assertGreater(self.refused("evicted"), 0)
        wait_until(lambda: viewer.count_frames(0.2) and self.refused("slow_request") > 0, 20,
                   "the slow ones run out of time")
        for drop in slow:
            drop.close()
        self.assert_unharmed(viewer)

    def test_thousands_of_half_open_upgrades(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, HALF_OPEN + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.begin()
        viewer = self.watch()
        half = b"GET /api/stream/h264/direct HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        held = []
        for n in range(HALF_OPEN):
            try:
                one = connect(self.port, source=f"127.0.{2 + n % 50}.1", timeout=5)
                one.sendall(half)
                held.append(one)
            except OSError:
                pass
            if n % 500 == 499:
                viewer.count_frames(0.05)
        self.assertGreater(len(held), HALF_OPEN * 0.9)
        self.assert_unharmed(viewer)
        with self.direct("?flow=8", source="127.0.0.8") as newcomer:
            self.assertEqual(newcomer.frame()[0], 1)
        evicted, full, slow = map(self.refused, ("evicted", "full", "slow_request"))
        print(f"# {len(held)} half-open upgrades: {evicted:.0f} evicted, {full:.0f} refused, "
              f"{slow:.0f} out of time", flush=True)
        self.assertGreater(evicted + full + slow, HALF_OPEN * 0.5)
        for one in held:
            one.close()

    def test_one_address_cannot_take_more_than_its_share(self):
        self.begin("--max-connections-per-address", 5)
        viewer = self.watch()
        held = [self.direct() for _ in range(5)]
        with connect(self.port) as sixth:
            self.assertIn(b"429", sixth.recv(4096))
        self.assertEqual(self.refused("address_full"), 1)
        for one in held:
            one.socket.close()
        wait_until(lambda: get(self.port, "/healthz", source="127.0.0.7")[0] == 200, 5, "room")
        self.assert_unharmed(viewer)

    def test_who_asks_too_often_waits(self):
        self.begin("--max-requests-per-second", 5)
        viewer = self.watch()
        answers = []
        while answers.count(429) < 5 and len(answers) < 1000:
            answers.append(get(self.port, "/healthz")[0])
        self.assertEqual(set(answers), {200, 429})
        self.assertGreaterEqual(answers.count(200), 20)
        self.assertEqual(self.refused("too_fast"), answers.count(429))
        self.assert_unharmed(viewer)

    def test_oversized_broken_and_foreign_requests(self):
        self.begin()
        viewer = self.watch()
        upgrade = (b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                   b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
        for request, status in (
                (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000, 431),
                (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
                (b"GET /\xff\xfe%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
                (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
                (b"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
                (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 413),
                (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
                (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413),
                (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
                (upgrade.replace(b"13", b"8") + b"Sec-WebSocket-Key: AAAA\r\n\r\n", 426),
                (upgrade + b"\r\n", 400)):
            with connect(self.port) as attacker:
                attacker.sendall(request)
                self.assertEqual(read_head(attacker)[0], status, request[:60])
        self.assertEqual(self.refused("header_too_large"), 2)
        self.assertGreater(self.refused("bad_request"), 3)
        self.assert_unharmed(viewer)

    def test_frames_that_break_the_websocket_protocol(self):
        self.begin()
        viewer = self.watch()
        breaks = {
            "bad UTF-8": (lambda one: one.send(b"\xc3\x28", TEXT), 1007),
            "not masked": (lambda one: one.send(b"\3", masked=False), 1002),
            "a reserved opcode": (lambda one: one.send(b"", 3), 1002),
            "a fragment of nothing": (lambda one: one.send(b"\3", 0), 1002),
            "a long ping": (lambda one: one.send(bytes(126), 9), 1002),
            "4 GiB announced": (lambda one: one.socket.sendall(
                b"\x82\xff\0\0\0\1\0\0\0\0" + bytes(4)), 1009),
            "2^63 announced": (lambda one: one.socket.sendall(
                b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(4)), None),
            "too long in pieces": (lambda one: [one.send(bytes(40), fin=False),
                                                one.send(bytes(40), 0)], 1009),
        }
        for name, (attack, code) in breaks.items():
            with WebSocket(self.port, "/api/state?stream=hdmi/h264") as attacker:
                attack(attacker)
                with self.assertRaises((Closed, ConnectionError), msg=name) as ended:
                    for _ in range(100):
                        attacker.message()
                if code is not None:
                    self.assertEqual(getattr(ended.exception, "code", None), code, name)
        wait_until(lambda: self.refused("bad_message") == len(breaks), 5, "all are counted")
        self.assert_unharmed(viewer)

    def test_garbage_at_random(self):
        self.begin()
        viewer = self.watch()
        seed = int.from_bytes(os.urandom(4), "little")
        print(f"# seed {seed}", flush=True)
        dice = random.Random(seed)
        for _ in range(60):
            with self.direct() as attacker:
                try:
                    attacker.socket.sendall(dice.randbytes(dice.randrange(1, 2000)))
                    attacker.count_frames(0.01)
                except (Closed, OSError, AssertionError):
                    pass
            with connect(self.port) as attacker:
                attacker.sendall(dice.randbytes(dice.randrange(1, 3000)))
        self.assert_unharmed(viewer)

    def test_a_flood_of_pauses_key_wishes_and_clocks_is_no_more_than_a_bother(self):
        self.begin()
        viewer = self.watch()
        before = self.stage.stat("hdmi/h264")["key_requests_granted"]
        with self.direct() as attacker:
            began = time.monotonic()
            while time.monotonic() < began + 2:
                for payload in (b"\4", b"\5", b"\3", b"\6" + bytes(8)):
                    attacker.send(payload)
                attacker.count_frames(0.001)
            self.assert_unharmed(viewer)
        granted = self.stage.stat("hdmi/h264")["key_requests_granted"] - before
        self.assertLessEqual(granted, 5 + 2 * (time.monotonic() - began))


class Memory(WebSocketTest):
    def test_what_a_viewer_costs_is_little_and_with_tls_not_much_more(self):
        viewers = 200 if LONG else 60
        kib = {}
        for name, limit, arguments, tls in (
                ("plain", 64, (), None),
                ("tls", 128, ("--tls-self-signed", str(self.stage.folder / "tls")),
                 unverified_tls())):
            if not kib:
                self.begin(*self.room_for(viewers), kvm=("--fps", 10, "--bitrate-kbps", 500))
            else:
                self.serve(*self.room_for(viewers), *arguments, name=name)
            rest = self.watched_by(20, tls)
            before = self.resident_kib()
            rest += self.watched_by(viewers, tls)
            kib[name] = (self.resident_kib() - before) / viewers
            for viewer in rest:
                viewer.socket.close()
            self.assertLessEqual(kib[name], limit)
        print(f"# {kib['plain']:.1f} KiB for each viewer, {kib['tls']:.1f} KiB with TLS", flush=True)

    @staticmethod
    def room_for(viewers):
        return ("--max-connections-per-address", viewers + 30, "--max-connections", viewers + 30,
                "--max-requests-per-second", 1000)

    def watched_by(self, count, tls):
        viewers = [self.direct("?flow=8", tls=tls) for _ in range(count)]
        for _ in range(2):
            for viewer in viewers:
                viewer.acknowledge(viewer.frame()[1])
        return viewers

    def resident_kib(self):
        status = (pathlib.Path("/proc") / str(self.server.pid) / "status").read_text()
        return int(re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)[1])


class Killed(WebSocketTest):
    def test_killed_with_a_hundred_viewers_nobody_else_notices_and_they_come_back(self):
        self.begin("--max-connections-per-address", 200)
        port = self.port
        viewers = [self.direct("?flow=8") for _ in range(100)]
        for viewer in viewers:
            viewer.frame()
        producer = self.stage.streams()["hdmi/h264"]["producer_pid"]
        head = self.stage.stat("hdmi/h264")["head"]
        recorder = self.stage.cat("recorder", "hdmi/h264", "--output", "/dev/null")
        time.sleep(0.5)
        self.server.kill()
        for viewer in viewers:
            with self.assertRaises((Closed, OSError)):
                for _ in range(200):
                    viewer.frame()
            viewer.socket.close()
        wait_until(lambda: self.stage.stat("hdmi/h264")["head"] > head + 10, 5, "frames go on")
        self.assertEqual(self.stage.streams()["hdmi/h264"]["producer_pid"], producer)
        self.assertTrue(recorder.running)

        def readers():
            return self.stage.stat("hdmi/h264")["readers"]
        wait_until(lambda: len(readers()) == 1, 5, "only the recorder is left")
        self.assertEqual(readers()[0]["lost_lapped"], 0)
        took = []
        while not took or (took[-1] > 1 and len(took) < 8):  # others may use this machine, too
            self.server.kill()
            self.serve("--max-connections-per-address", 200, listen=f"127.0.0.1:{port}",
                       name=f"again{len(took)}")
            began = time.monotonic()
            viewers = [self.direct("?flow=8") for _ in range(100)]
            for viewer in viewers:
                self.assertEqual(viewer.frame()[0], 1)
            took.append(time.monotonic() - began)
            for viewer in viewers:
                viewer.socket.close()
        print(f"# 100 viewers have a picture after {took} s", flush=True)
        self.assertLessEqual(took[-1], 1)


if __name__ == "__main__":
    main()
