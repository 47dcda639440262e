#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd itself thinks of the units: that they are right, and how tight their cages are."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import main

UNITS = pathlib.Path(os.environ["FRAMERING_SOURCE"]) / "systemd"
BUILT = pathlib.Path(os.environ["FRAMERING_BUILD"]) / "systemd"
# systemd-analyze's exposure level, from 0 (no way out) to 10 (unsafe), at most.
EXPOSURE = {"framering-broker.service": 1.5, "framering-recorder@.service": 1.5,
            "framering-exporter.service": 1.5, "framering-websocket.service": 2.0,
            "framering-webrtc.service": 2.0, "framering-producer@.service": 2.5}


def analyze(folder, *arguments):
    # The colon: after ours, systemd's own units.
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"})


class Units(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        for unit in [*BUILT.glob("*.service"), *UNITS.glob("*.service"), *UNITS.glob("*.socket"),
                     *UNITS.glob("*.target")]:
            shutil.copy(unit, self.folder)
        for drop_in in UNITS.glob("*.d"):
            shutil.copytree(drop_in, self.folder / drop_in.name)
        self.services = sorted(path.name for path in self.folder.glob("framering-*.service"))
        if "framering-exporter.service" not in self.services:  # not built here
            (self.folder / "framering-exporter.socket").unlink()

    def verify(self):
        return analyze(self.folder, "verify", "--man=no",
                       *(path for path in self.folder.iterdir() if path.is_file())).stderr

    def install_programs(self):
        """verify looks for the programs, which are not installed here."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        for service in self.services:
            path = self.folder / service
            text = path.read_text()
            program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
            stand_in = bin_folder / os.path.basename(program)
            stand_in.write_text("#!/bin/sh\n")
            stand_in.chmod(0o755)
            path.write_text(text.replace(f"ExecStart={program}", f"ExecStart={stand_in}"))

    def test_systemd_finds_nothing_wrong(self):
        self.install_programs()
        self.assertIn("framering-broker.service", self.services)
        self.assertEqual(self.verify(), "")

    def test_a_misspelt_line_would_have_been_found(self):
        self.install_programs()
        broker = self.folder / "framering-broker.service"
        broker.write_text(broker.read_text().replace("WatchdogSec=", "WatchdogSecs="))
        self.assertIn("WatchdogSecs", self.verify())

    def exposure(self, service):
        result = analyze(self.folder, "security", "--offline=true", "--no-pager", self.folder / service)
        self.assertEqual(result.returncode, 0, result.stderr)
        return float(re.search(r"exposure level for .*: ([\d.]+) ", result.stdout)[1])

    def test_each_service_sits_in_a_tight_cage(self):
        for service in self.services:
            level = self.exposure(service)
            print(f"# {service:32} {level:3.1f} of at most {EXPOSURE[service]}")
            self.assertLessEqual(level, EXPOSURE[service], service)

    def test_without_the_common_settings_it_would_not_be_tight(self):
        shutil.rmtree(self.folder / "framering-.service.d")
        self.assertGreater(self.exposure("framering-broker.service"), 5)


if __name__ == "__main__":
    main()
