# SPDX-License-Identifier: Apache-2.0
"""A Debian of its own to install packages in and to boot, which the host does not notice.

Its root is a folder that debootstrap made, kept for the next time, with a layer above it that ends with
the test. Whatever runs in it has mounts, processes, network, host name, IPC and cgroups of its own: a
systemd that ran on the host's root would clean the host's temporary files.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

# Sizes and times of a machine that has other things to do.
BOOT_SECONDS = 60
# What a guest must not have, although it is root: these reach the machine and not only its name spaces.
KEPT_FROM_GUEST = ("sys_module", "sys_time", "sys_rawio", "syslog", "sys_boot", "mac_admin", "mac_override",
                   "wake_alarm", "sys_pacct")
# Run in new name spaces, as the first process: makes /dev, /proc and /sys, and changes its root.
ENTER = r"""
set -eu
root=$1 lower=$2 upper=$3 work=$4; shift 4
mount --make-rprivate /
if [ "$upper" = - ]; then mount --bind "$lower" "$root"
else mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"; fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
device() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }
device null 1 3; device zero 1 5; device full 1 7; device random 1 8; device urandom 1 9; device tty 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
for part in sys sysrq-trigger irq bus; do # the host's kernel
  [ ! -e "$root/proc/$part" ] || { mount --bind "$root/proc/$part" "$root/proc/$part"
    mount -o remount,bind,ro "$root/proc/$part"; }
done
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
[ ! -d "$FRAMERING_SHARE" ] || { mkdir -p "$root/share"; mount --bind "$FRAMERING_SHARE" "$root/share"; }
mkdir -p "$root/.host"
cd "$root"
pivot_root . .host
cd /
umount -l /.host
exec "$@"
"""


def run(*command, **options):
    options = {"check": True, "text": True, "timeout": 900, **options}
    return subprocess.run([str(word) for word in command], **options)


def debian(folder):
    """The root of a minimal Debian 12 with systemd, made by debootstrap if it is not there yet."""
    folder = pathlib.Path(folder)
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,iproute2,procps",
            "bookworm", folder / "root", stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder / "root"


class Cgroup:
    """A cgroup of the unified hierarchy, for a guest to be the root of."""

    def __init__(self, mount, name):
        self.mount = mount
        run("mount", "-t", "cgroup2", "cgroup2", mount)
        self.path = mount / name
        self.path.mkdir()

    def close(self):
        kill = self.path / "cgroup.kill"
        if kill.exists():
            kill.write_text("1")
        for _ in range(100):
            for folder in sorted(self.path.rglob("*/"), key=lambda path: -len(path.parts)):
                if folder.is_dir():
                    self._remove(folder)
            if self._remove(self.path):
                break
            time.sleep(0.05)
        run("umount", self.mount, check=False)

    @staticmethod
    def _remove(folder):
        try:
            folder.rmdir()
        except OSError:
            return False
        return True


class Machine:
    """The Debian of `lower` with a layer above it (`keep`: none, what changes is kept). The folder `share`
    is /share in it. Must run in a mount name space of its own."""

    def __init__(self, lower, share=None, keep=False):
        self.lower = lower
        self.keep = keep
        self.share = share or "/nonexistent"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="framering-machine-"))
        run("mount", "-t", "tmpfs", "tmpfs", self.folder)  # overlays do not lie upon overlays
        for name in ("root", "upper", "work", "cgroup"):
            (self.folder / name).mkdir()
        self.cgroup = Cgroup(self.folder / "cgroup", f"framering-{os.getpid()}")
        self.guest = None
        self.init = None
        self.log = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.cgroup.close()
        run("umount", "-l", self.folder, check=False)
        self.folder.rmdir()

    def enter(self, *command, network=False, **options):
        """Starts a command as process 1 of the guest."""
        join = (self.cgroup.path / "cgroup.procs").as_posix()
        return subprocess.Popen(
            ["sh", "-c", f'echo 0 > {join}; exec "$@"', "sh",
             "unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", *([] if network else ["--net"]),
             "--fork", "--kill-child", "--", "sh", "-c", ENTER, "sh",
             self.folder / "root", self.lower, "-" if self.keep else self.folder / "upper",
             self.folder / "work", "setpriv", "--bounding-set",
             ",".join("-" + name for name in KEPT_FROM_GUEST), "env", "-i", "container=framering",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
             *map(str, command)],
            env={**os.environ, "FRAMERING_SHARE": str(self.share)}, text=True, **options)

    def once(self, *command, check=True, network=False, seconds=900):
        """Runs a command in the guest while it is not booted; returns what it printed."""
        process = self.enter(*command, network=network, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=seconds)
        if check and process.returncode != 0:
            raise AssertionError(f"{command} ended with {process.returncode}:\n{output}")
        return output

    def write(self, path, text, append=False):
        """Replaces a file of the guest, by the share: the guest may be booted or not."""
        with tempfile.NamedTemporaryFile("w", dir=self.share) as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            source = f"/share/{os.path.basename(file.name)}"
            command = ("sh", "-c", f"cat {source} {'>>' if append else '>'} {path}")
            self.run(*command) if self.init else self.once(*command)

    def append(self, path, text):
        self.write(path, text, append=True)

    def boot(self, target):
        self.log = open(self.folder / "console.log", "w+", encoding="utf-8")
        self.guest = self.enter("/lib/systemd/systemd", f"--unit={target}", "--log-target=console",
                                "--show-status=no", stdin=subprocess.DEVNULL, stdout=self.log,
                                stderr=subprocess.STDOUT)
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self.guest.poll() is not None:
                break
            children = pathlib.Path(f"/proc/{self.guest.pid}/task/{self.guest.pid}/children").read_text()
            if children.split():
                self.init = int(children.split()[0])
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return state
            time.sleep(0.1)
        self.log.seek(0)
        raise AssertionError("systemd did not come up:\n" + self.log.read()[-4000:])

    def words(self, command, user=None):
        words = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup",
                 "--root", "--wd=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"]
        if user:
            words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*words, *map(str, command)]

    def start(self, *command, user=None):
        """Starts a command in the booted guest."""
        return subprocess.Popen(self.words(command, user), text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *command, user=None, check=True, seconds=60):
        """Runs a command in the booted guest."""
        result = run(*self.words(command, user), check=False, timeout=seconds, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
        if check and result.returncode != 0:
            raise AssertionError(f"{command} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
        return result

    def stop(self):
        if self.guest is not None and self.guest.poll() is None:
            os.kill(self.init or self.guest.pid, signal.SIGKILL)  # a name space ends with its process 1
            self.guest.wait(timeout=30)
        if self.log is not None:
            self.log.close()
        self.guest = self.init = self.log = None
