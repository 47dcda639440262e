#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The broker as systemd starts it: with sockets that are open already, and a watchdog to answer."""

import os
import select
import socket
import subprocess
import time

from harness import PATIENCE, StageTest, main, program, wait_until

ROLES = ("producer", "consumer", "operator")
FIRST_PASSED = 3


class Activation(StageTest):
    def setUp(self):
        super().setUp()
        self.stage.socket_dir.mkdir()
        self.sockets = {}

    def listen(self, role, kind=socket.SOCK_SEQPACKET):
        self.sockets[role] = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(self.sockets[role].close)
        self.sockets[role].bind(str(self.stage.socket_dir / f"{role}.sock"))
        self.sockets[role].listen(16)

    def start(self, **env):
        """Starts the broker with all sockets, numbered from 3 on in the order of their names."""
        names = list(self.sockets)

        def pass_sockets():
            # Above all targets first, so that none is overwritten before its turn.
            high = [os.dup2(one.fileno(), 100 + i) for i, one in enumerate(self.sockets.values())]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_PASSED + i)
        process = subprocess.Popen(
            ["sh", "-c", f"LISTEN_PID=$$ exec {program('framering-broker')}"], close_fds=False,
            preexec_fn=pass_sockets, stderr=subprocess.PIPE, text=True,
            env={**self.stage.env, "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names), **env})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def test_sockets_that_are_handed_over_are_used_and_left_where_they_are(self):
        for role in reversed(ROLES):
            self.listen(role)
        files = {role: os.stat(self.stage.socket_dir / f"{role}.sock").st_ino for role in ROLES}
        broker = self.start()
        self.stage.pattern()
        self.stage.wait_for_stream("test")
        broker.terminate()
        broker.wait(PATIENCE)
        self.assertEqual({role: os.stat(self.stage.socket_dir / f"{role}.sock").st_ino for role in ROLES},
                         files)

    def test_who_connects_while_the_broker_starts_again_waits_and_is_served(self):
        for role in ROLES:
            self.listen(role)
        asker = subprocess.Popen([program("framering"), "ls", "--json"], env=self.stage.env, text=True,
                                 stdout=subprocess.PIPE)
        self.addCleanup(asker.stdout.close)
        self.addCleanup(asker.wait)
        self.addCleanup(asker.kill)
        readable = select.select([self.sockets["operator"], self.sockets["consumer"]], [], [], PATIENCE)[0]
        self.assertTrue(readable, "framering ls does not connect")
        self.start()
        output, _ = asker.communicate(timeout=PATIENCE)
        self.assertEqual((asker.returncode, output.strip()), (0, "[]"))

    def test_a_role_without_a_socket_gets_one_from_the_broker(self):
        self.listen("consumer")
        self.start()
        wait_until(lambda: (self.stage.socket_dir / "operator.sock").exists(), PATIENCE, "operator.sock")
        self.stage.framering("ls")

    def test_a_socket_of_another_kind_is_refused_with_the_line_that_mends_it(self):
        self.listen("consumer", socket.SOCK_STREAM)
        broker = self.start()
        self.assertEqual(broker.wait(PATIENCE), 1)
        self.assertIn("ListenSequentialPacket=", broker.stderr.read())

    def beats(self, seconds, **env):
        """How often the broker says within so long that its loop turns."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(self.stage.folder / "notify"))
        broker = self.stage.start("broker", "framering-broker",
                                  env={"NOTIFY_SOCKET": str(self.stage.folder / "notify"), **env})
        manager.settimeout(PATIENCE)
        while manager.recv(100) != b"READY=1":
            pass
        until = time.monotonic() + seconds
        count = 0
        while (left := until - time.monotonic()) > 0:
            manager.settimeout(left)
            try:
                count += manager.recv(100) == b"WATCHDOG=1"
            except TimeoutError:
                break
        return count, broker

    def test_an_idle_broker_answers_the_watchdog_twice_in_each_period(self):
        count, broker = self.beats(2.2, WATCHDOG_USEC="400000")
        self.assertLessEqual(count, 12)
        self.assertGreaterEqual(count, 5)  # often enough for each 0.4 s
        broker.stop()

    def test_a_watchdog_of_another_process_is_not_answered(self):
        before = time.monotonic()
        count, broker = self.beats(1, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        self.assertEqual(count, 0)
        self.assertLess(broker.voluntary_switches() / (time.monotonic() - before), 10)


if __name__ == "__main__":
    main()
