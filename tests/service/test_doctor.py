# SPDX-License-Identifier: Apache-2.0
"""`framering doctor` finds faults that are really there, and names what mends them. Each test plants one."""

import ctypes
import json
import os
import pathlib
import re
import resource
import signal
import struct
import subprocess

from harness import BUILD, FOLDERS, StageTest, main, program, wait_until

NOBODY = 65534
SYS = {"x86_64": {"io_uring_setup": 425, "arch": 0xC000003E},
       "aarch64": {"io_uring_setup": 425, "arch": 0xC00000B7},
       "riscv64": {"io_uring_setup": 425, "arch": 0xC00000F3}}[os.uname().machine]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def without_io_uring():
    """A seccomp filter, as containers have it: io_uring_setup gives EPERM."""
    program_ = b"".join(struct.pack("HBBI", *instruction) for instruction in [
        (0x20, 0, 0, 0),                         # A = number of the call
        (0x15, 0, 1, SYS["io_uring_setup"]),     # is it this one?
        (0x06, 0, 0, 0x00050000 | 1),            # EPERM
        (0x06, 0, 0, 0x7FFF0000)])               # go ahead
    buffer = ctypes.create_string_buffer(program_)
    # struct sock_fprog: count, padding, address
    filter_ = struct.pack("H6xP", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("PR_SET_NO_NEW_PRIVS")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


class Doctor(StageTest):
    def setUp(self):
        super().setUp()
        folders = {str(BUILD / folder) for folder in FOLDERS.values()}
        self.stage.env["PATH"] = ":".join(sorted(folders)) + ":" + os.environ["PATH"]

    def examine(self, *arguments, plant=None, user=None):
        """All findings, and whether it says that the machine is well."""
        done = subprocess.run([program("framering"), "doctor", "--json", *map(str, arguments)],
                              env=self.stage.env, capture_output=True, timeout=60, check=False,
                              preexec_fn=plant, user=user, group=user,
                              extra_groups=None if user is None else [])
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["healthy"] else 1, done.stderr)
        self.assertEqual(report["healthy"],
                         all(one["grade"] != "fault" for one in report["findings"]))
        return report["findings"]

    def assert_finds(self, findings, grade, subject, found, mend):
        told = [one for one in findings if one["grade"] == grade and subject in one["subject"]]
        self.assertTrue(any(found in one["found"] and mend in one["mend"] for one in told),
                        json.dumps(told or findings, indent=1))

    def faults(self, findings):
        return [one for one in findings if one["grade"] == "fault"]

    def test_0_nothing_amiss_is_no_fault(self):
        self.stage.broker()
        self.stage.pattern()
        findings = self.examine()
        self.assertEqual(self.faults(findings), [])
        subjects = {one["subject"] for one in findings}
        self.assertTrue({"kernel", "sealed memory", "io_uring", "pidfd", "file descriptors", "memory",
                         "clock", "broker", "consumer socket", "test"} <= subjects, subjects)
        text = self.stage.framering("doctor").stdout.decode()
        self.assertIn("0 faults", text)

    def test_1_no_broker(self):
        self.assert_finds(self.examine(), "fault", "producer socket", "No such file",
                          "framering-broker")

    def test_2_a_socket_that_a_killed_broker_left(self):
        self.stage.broker().kill()
        self.assert_finds(self.examine(), "fault", "consumer socket", "nobody listens",
                          "replaces the socket")

    def test_3_a_socket_that_is_open_to_anybody(self):
        self.stage.start("broker", "framering-broker", "--mode", "operator=0666").wait_ready()
        self.assert_finds(self.examine(), "fault", "operator socket", "0666", "--mode operator=0660")

    def test_4_a_user_who_is_not_in_the_group(self):
        if os.getuid() != 0:
            self.skipTest("only root can be somebody else")
        self.stage.folder.chmod(0o755)
        self.stage.start("broker", "framering-broker", "--group", "consumer=video").wait_ready()
        try:
            findings = self.examine(user=NOBODY)
        except PermissionError:
            self.skipTest("nobody else can run what is in the build folder")
        self.assert_finds(findings, "fault", "consumer socket", "0660 root:video",
                          "adduser nobody video")

    def test_5_too_few_file_descriptors_for_the_broker(self):
        broker = self.stage.broker()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (256, 256))
        self.assert_finds(self.examine(), "fault", "file descriptors", "the broker may open 256",
                          "LimitNOFILE=")
        broker.stop()
        (self.stage.socket_dir / "broker.lock").unlink()
        self.assert_finds(self.examine(plant=few_descriptors), "fault", "file descriptors",
                          "this user may open 256", "ulimit -Hn")

    def test_6_io_uring_forbidden_by_seccomp(self):
        self.assert_finds(self.examine(plant=without_io_uring), "note", "io_uring",
                          "in use instead: write(2)", "seccomp filter")

    def test_7_a_vendor_library_that_lacks_a_function(self):
        good = program("libkvm_mmf.so")
        self.assert_finds(self.examine("--library", good), "ok", "vendor library",
                          good, "")
        source = self.stage.folder / "old.c"
        symbols = subprocess.run(["nm", "-D", "--defined-only", good], capture_output=True, text=True,
                                 check=True).stdout.split()
        names = [name for name in symbols if name.startswith("_Z") and "venc_pop" not in name]
        source.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in names))
        old = self.stage.folder / "libkvm_mmf.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", old, source], check=True)
        findings = self.examine("--library", old)
        self.assert_finds(findings, "fault", "vendor library", "it lacks _Z12mmf_venc_popi",
                          "take the libkvm_mmf.so")

    def test_8_a_full_disk_under_a_recorder(self):
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
            self.skipTest("no name space of mounts can be had here, and so no small disk")
        films = self.stage.folder / "films"
        films.mkdir()
        self.stage.broker()
        self.stage.kvm()
        self.stage.wait_for_stream("hdmi/h264")
        # A disk of its own, in a name space of mounts of its own.
        recorder = self.stage.start("recorder", "framering-recorder", "hdmi/h264", "--output", films,
                                    wrapper=["unshare", "--mount", "sh", "-c",
                                             f'mount -t tmpfs -o size=64k none "{films}" && exec "$@"',
                                             "sh"])
        recorder.wait_ready()
        wait_until(lambda: "No space left" in recorder.log, 20, recorder.log)
        self.assert_finds(self.examine(), "fault", "recorder of hdmi/h264", "No space left",
                          "--max-bytes")

    def test_9_a_producer_that_stands_still(self):
        self.stage.broker()
        producer = self.stage.pattern()
        producer.pause()
        wait_until(lambda: self.faults(self.examine()), 15, "it is found")
        self.assert_finds(self.examine(), "fault", "test", "no sign of life",
                          f"kill -CONT {producer.pid}")

    def test_10_a_broker_that_stands_still(self):
        broker = self.stage.broker()
        broker.pause()
        self.assert_finds(self.examine(), "fault", "broker", "it is stopped",
                          f"kill -CONT {broker.pid}")

    def test_11_a_wrong_key_in_the_configuration(self):
        path = self.stage.folder / "framering.toml"
        path.write_text('[broker]\nmax-streams = 4\n[producer.cam]\nsource = "pattern"\n'
                        'stream = "x"\nfsp = 30\n')
        findings = self.examine("--config", path)
        self.assert_finds(findings, "ok", "configuration of broker", str(path), "")
        self.assert_finds(findings, "fault", "configuration of producer cam",
                          "toml:6: fsp is no key of [producer.cam]; did you mean fps?",
                          "reload-or-restart framering-producer@cam")

    def test_12_no_signal_at_the_input(self):
        self.stage.broker()
        self.stage.kvm()
        with_reader = self.stage.cat("reader", "hdmi/h264", "--frames", "100000", "-o", "/dev/null")
        self.stage.wait_for_state("hdmi/h264", ["live"], 15)
        self.stage.inject("no_signal", "60")
        self.stage.wait_for_state("hdmi/h264", ["no_signal"], 15)
        self.assert_finds(self.examine(), "note", "hdmi/h264", "no signal", "cable")
        self.assertTrue(with_reader.running)

    def test_13_a_broker_that_was_not_restarted_after_an_upgrade(self):
        binary = pathlib.Path(program("framering-broker")).read_bytes()
        version = re.search(rb"framering-broker (\d+\.\d+\.\d+)\0", binary)[1]
        old = self.stage.folder / "framering-broker"
        old.write_bytes(binary.replace(b"framering-broker " + version,
                                       b"framering-broker " + version.replace(b"0", b"9", 1)))
        old.chmod(0o755)
        self.stage.start("broker", "framering-broker", wrapper=["sh", "-c", f'exec "{old}"'],
                         env={"LD_LIBRARY_PATH": str(BUILD / "broker")}).wait_ready()
        self.assert_finds(self.examine(), "fault", "broker",
                          f"is {version.decode().replace('0', '9', 1)}, this tool is {version.decode()}",
                          "systemctl restart framering-broker")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
