#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recorder on disks that are full, slow, gone or read-only.

The disks are this test's own: a tmpfs, and a file system in user space (slow_disk.py), in a user and
mount namespace that ends with the test.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from harness import main, wait_until
from recording import BARCODE, EXTENSIONS, Listener, RecorderTest, barcodes, is_run, make_film

# Makes 4 Mbit/s of it: less than a second of that waits for the disk outside of the ring.
NOISE = "noise=alls=70:allf=t"
FRAMES, GOP = 390, 15  # of the film, 30 a second


class Disks(RecorderTest):
    """In a user and mount namespace of its own, see enter_namespaces."""

    def tmpfs(self, name):
        folder = self.stage.folder / name
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "none", folder], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    def fill(self, folder):
        """To the last byte."""
        filler = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
        size = 1 << 16
        while size:
            try:
                if os.write(filler, bytes(size)) < size:
                    raise OSError
            except OSError:
                size //= 2
        os.close(filler)
        return folder / "filler"

    def record_to(self, output, *arguments, stream="film", name):
        recorder = self.record(stream, *arguments, output=output, name=name)
        self.all_are_there()
        self.wait_for_bytes(recorder, stream)
        return recorder

    def all_are_there(self):
        """Each case waits here for all others: then the films begin."""
        self.everybody.wait(120)

    def play(self):
        for stream, history in (("film", ("16M", "--slots", 1024)), ("short", ("4M", "--slots", 64))):
            self.film(self.bars, "--history", *history, stream=stream, name=stream)

    def complaint(self, recorder, stream="film"):
        return self.status(recorder, stream)["complaint"]

    def finish(self, recorder, output, stream="film"):
        """After the film: the numbers of all pictures in all files, index, last status."""
        self.film_over.wait(60)
        wait_until(lambda: not self.status(recorder, stream)["recording"], 15, "the end of the file")
        status = self.status(recorder, stream)
        self.assertEqual(recorder.stop(), 0, recorder.log)
        numbers = [number for file in self.files(output) for number in barcodes(file)]
        return numbers, self.index(output), status

    def assert_honest_gaps(self, numbers, index, status):
        """What is missing is what the index says, and recording resumed at a key frame."""
        self.assertEqual(len(numbers), len(set(numbers)))
        present, gaps, run_of = set(numbers), [], 0
        for number in range(FRAMES):
            if number in present and run_of:
                self.assertEqual(number % GOP, 0, "it ends at a key frame")
                gaps.append({"frames": run_of, "before_frame": number + 1})
            run_of = 0 if number in present else run_of + 1
        self.assertEqual(run_of, 0, "it was recorded to the end")
        told = [gap for line in index for gap in line["gaps"]]
        self.assertEqual([{key: gap[key] for key in ("frames", "before_frame")} for gap in told], gaps)
        self.assertGreater(max(gap["frames"] for gap in gaps), GOP)
        lost = FRAMES - len(numbers)
        self.assertEqual((status["gaps"], status["frames_lost"]), (len(gaps), lost))
        self.assertEqual(sum(line["frames_lost"] for line in index), lost)

    def full_for_a_while(self):
        """a full disk loses nothing while the history covers it, and `framering stat` says so"""
        disk = self.tmpfs("full")
        recorder = self.record_to(disk / "video", name="full")
        filler = self.fill(disk)
        wait_until(lambda: "No space left" in self.complaint(recorder), 10, "a full disk")
        self.assertIn("No space left", self.stage.framering("stat", "film").stdout.decode())
        told = json.loads(self.stage.framering("stat", "film", "--json").stdout)[0]["recorders"]
        mine, = [one for one in told if one["pid"] == recorder.pid]
        self.assertIn("No space left", mine["complaint"])
        time.sleep(1)
        filler.unlink()
        wait_until(lambda: not self.complaint(recorder), 10, "room again")
        numbers, index, _ = self.finish(recorder, disk / "video")
        self.assertEqual(numbers, list(range(FRAMES)))
        self.assertEqual([line["frames_lost"] for line in index], [0])

    def full_for_longer(self):
        """a disk that is full for longer makes an honest gap that ends at a key frame"""
        disk = self.tmpfs("longer")
        recorder = self.record_to(disk / "video", stream="short", name="longer")
        filler = self.fill(disk)
        wait_until(lambda: self.complaint(recorder, "short"), 10, "a full disk")
        time.sleep(5)
        filler.unlink()
        self.assert_honest_gaps(*self.finish(recorder, disk / "video", "short"))

    def killed_when_full(self):
        """what a killed recorder wrote to a disk filled to the last byte decodes"""
        disk = self.tmpfs("killed")
        recorders = {kind: self.record("film", "--format", kind, output=disk / kind,
                                       name=f"killed-{kind}") for kind in EXTENSIONS}
        self.all_are_there()
        for recorder in recorders.values():
            self.wait_for_bytes(recorder)
        self.fill(disk)
        for recorder in recorders.values():
            wait_until(lambda: self.complaint(recorder), 10, "a full disk")
            recorder.kill()
        for kind in EXTENSIONS:
            file, = self.files(disk / kind)
            numbers = barcodes(file)
            # The picture at the cut may be damaged.
            self.assertTrue(is_run(numbers[:-1]) and numbers[0] == 0, f"{kind}: {numbers}")

    def slow_disk(self, name):
        """A folder, and the process whose stopping is the disk's."""
        lower, mount = self.stage.folder / f"{name}-lower", self.stage.folder / name
        lower.mkdir()
        mount.mkdir()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_disk.py")
        serving = self.start_command(name, sys.executable, script, lower, mount)
        wait_until(lambda: os.path.ismount(mount) or not serving.running, 10, "the slow disk")
        self.assertTrue(serving.running, serving.log)
        self.addCleanup(subprocess.run, ["umount", "-l", mount], check=False)
        return mount / "video", lower / "video", serving

    def stalled(self, stream, name):
        """Records while the disk stands still for 5 s in between."""
        output, lower, disk = self.slow_disk(name)
        recorder = self.record_to(output, stream=stream, name=f"recorder-{name}")
        os.kill(disk.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(disk.pid, signal.SIGCONT)
        numbers, index, status = self.finish(recorder, lower, stream)
        print(f"# {name}: slowest write {status['slowest_write_seconds']:.2f} s, "
              f"{status['frames_lost']} frames lost")
        self.assertGreater(status["slowest_write_seconds"], 4)
        return numbers, index, status

    def stalls_within_the_history(self):
        """a disk that stalls for 5 s loses nothing while the history covers it"""
        numbers, index, status = self.stalled("film", "stall")
        self.assertEqual(numbers, list(range(FRAMES)))
        self.assertEqual(([line["frames_lost"] for line in index], status["gaps"]), ([0], 0))

    def stalls_for_longer(self):
        """a disk that stalls for longer than the history makes an honest gap"""
        self.assert_honest_gaps(*self.stalled("short", "longer-stall"))

    def folder_deleted(self):
        """a folder that is deleted is made again, and no later frame is missing"""
        disk = self.tmpfs("deleted")
        recorder = self.record_to(disk / "video", name="deleted")
        subprocess.run(["rm", "-r", disk / "video"], check=True)
        wait_until(lambda: self.files(disk / "video"), 10, "a new file in a new folder")
        self.assertIn("gives up", recorder.log)
        numbers, index, _ = self.finish(recorder, disk / "video")
        self.assertEqual((numbers[-1], is_run(numbers)), (FRAMES - 1, True))
        self.assertEqual(index[-1]["last_frame"], FRAMES)

    def read_only(self):
        """a read-only folder is complained about, and written to once it can be"""
        disk = self.tmpfs("read-only")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        recorder = self.record("film", output=disk / "video", name="read-only")
        self.all_are_there()
        wait_until(lambda: "Read-only" in self.complaint(recorder), 10, "a complaint")
        time.sleep(2)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        numbers, _, _ = self.finish(recorder, disk / "video")
        self.assertEqual(numbers, list(range(FRAMES)))

    def input_output_errors(self):
        """after I/O errors for 5 s a new file goes on with the first frame that was not written"""
        output, lower, _ = self.slow_disk("errors")
        recorder = self.record_to(output, name="recorder-errors")
        broken = self.stage.folder / "errors-lower.broken"
        broken.touch()
        wait_until(lambda: "Input/output" in self.complaint(recorder), 10, "a complaint")
        time.sleep(5)
        broken.unlink()
        numbers, index, status = self.finish(recorder, lower)
        self.assertIn("gives up", recorder.log)
        self.assertEqual(set(numbers), set(range(FRAMES)))
        self.assertEqual(status["frames_lost"], 0)
        self.assertLess(len(numbers), FRAMES + 3 * GOP, "little is recorded twice")
        self.assertEqual([line["file"] for line in index],
                         [file.name for file in self.files(lower)])
        self.assertEqual([line["bytes"] for line in index],
                         [file.stat().st_size for file in self.files(lower)])

    def keeps_space_free(self):
        """--min-free deletes the oldest files, and recording goes on"""
        disk, free = self.tmpfs("small"), 62 << 20
        recorder = self.record_to(disk, "--segment-seconds", 1, "--min-free", free, name="small")
        least = 64 << 20
        while not self.film_over.wait(0.1):
            facts = os.statvfs(disk)
            least = min(least, facts.f_bavail * facts.f_frsize)
        _, index, status = self.finish(recorder, disk)
        self.assertGreater(least, free - (2 << 20))
        self.assertGreater(status["files_deleted"], 2)
        self.assertEqual([line["file"] for line in index][status["files_deleted"]:],
                         [file.name for file in self.files(disk)])
        self.assertEqual(index[-1]["last_frame"], FRAMES)

    def nobody_else_notices(self):
        """another reader has every frame all the while"""
        witness = Listener(self.stage, "film")
        self.all_are_there()
        published = witness.listen_to_the_end()
        self.film_over.set()
        self.assertEqual([frame.number for frame in published], list(range(1, FRAMES + 1)))

    def test_disks_with_troubles(self):
        if os.environ.get("FRAMERING_OWN_MOUNTS") != "1":
            self.skipTest("this machine allows no user namespace")
        self.bars = make_film(self.stage.folder / "bars.mp4", seconds=FRAMES / 30, gop=GOP,
                              source=BARCODE, filters=NOISE)
        self.film_over = threading.Event()
        cases = [self.nobody_else_notices, self.full_for_a_while, self.full_for_longer,
                 self.killed_when_full, self.folder_deleted, self.read_only, self.keeps_space_free]
        if os.access("/dev/fuse", os.R_OK | os.W_OK):
            cases += [self.stalls_within_the_history, self.stalls_for_longer,
                      self.input_output_errors]
        else:
            print("# no /dev/fuse: nothing is tried on disks that stall or fail")
        self.everybody = threading.Barrier(len(cases), action=self.play)
        self.at_once(*cases)


def enter_namespaces():
    """This script again, as root of a user namespace with mounts of its own."""
    if "FRAMERING_OWN_MOUNTS" in os.environ:
        return
    wrapper = ["unshare", "--user", "--map-root-user", "--mount"]
    allowed = subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode == 0
    os.environ["FRAMERING_OWN_MOUNTS"] = "1" if allowed else "0"
    if allowed:
        os.execvp("unshare", [*wrapper, sys.executable, *sys.argv])


if __name__ == "__main__":
    enter_namespaces()
    main()
