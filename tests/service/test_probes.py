# SPDX-License-Identifier: Apache-2.0
"""The probes of the library are there for perf and bpftrace, and each costs one nop while nobody looks."""

import os
import pathlib
import re
import subprocess

from harness import BUILD, StageTest, main

LIBRARY = next((BUILD / "broker").glob("libframering.so.*.*.*"))
NAMES = {"publish", "bell", "wake", "lapped", "revoked", "key_request"}
NOPS = {"x86_64": [b"\x90"], "aarch64": [b"\x1f\x20\x03\xd5"],
        "riscv64": [b"\x13\0\0\0", b"\x01\0"]}[os.uname().machine]
SDT = pathlib.Path("/usr/include")


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments, LIBRARY], capture_output=True, text=True,
                          check=True).stdout


class Probes(StageTest):
    def setUp(self):
        super().setUp()
        if not list(SDT.glob("sys/sdt.h")) + list(SDT.glob("*/sys/sdt.h")):
            self.skipTest("built without sys/sdt.h (systemtap-sdt-dev)")

    def probes(self):
        """Name, address, semaphore and arguments of each, from the notes in the library."""
        found = re.findall(r"Provider: framering\s+Name: (\w+)\s+Location: 0x(\w+), Base: 0x\w+, "
                           r"Semaphore: 0x(\w+)\s+Arguments: ?(.*)", readelf("--notes"))
        return [(name, int(at, 16), int(semaphore, 16), words) for name, at, semaphore, words in found]

    def test_each_probe_is_there_with_its_arguments(self):
        probes = self.probes()
        self.assertEqual({name for name, *_ in probes}, NAMES)
        for name, _, _, words in probes:
            self.assertTrue(words.split(), name)

    def test_each_probe_is_one_nop_and_asks_nobody_whether_it_is_on(self):
        segments = [[int(word, 16) for word in line.split()[1:5]]
                    for line in readelf("--segments").splitlines() if line.split()[:1] == ["LOAD"]]
        image = LIBRARY.read_bytes()
        for name, address, semaphore, _ in self.probes():
            self.assertEqual(semaphore, 0, name)
            offset = next(address - start + at for at, start, _, size in segments
                          if start <= address < start + size)
            self.assertTrue(any(image.startswith(nop, offset) for nop in NOPS),
                            f"{name}: {image[offset:offset + 8].hex()}")


if __name__ == "__main__":
    main()
