# SPDX-License-Identifier: Apache-2.0
"""A virtual environment beside the wheel, with the wheel and numpy in it, for tests and benchmark."""

import fcntl
import os
import pathlib
import subprocess
import sys

from harness import BUILD

FOLDER = BUILD / "consumers" / "python"
VENV = FOLDER / "venv"
PYTHON = VENV / "bin" / "python3"


def wheel():
    """Its path."""
    return next(FOLDER.glob("framering-*.whl"))


def _run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")


def _make():
    """Debian's python3-numpy serves where it is installed; else numpy comes from where pip looks."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", PYTHON]
    if not PYTHON.exists():
        _run(sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", VENV)
    _run(*pip, "install", "--no-index", "--no-deps", "--force-reinstall", wheel())
    if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        _run(*pip, "install", "numpy")


def ensure():
    """Its interpreter."""
    stamp = FOLDER / "venv.stamp"
    with open(FOLDER / "venv.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not stamp.exists() or stamp.stat().st_mtime < wheel().stat().st_mtime:
            _make()
            stamp.touch()
    return PYTHON


def enter():
    """Goes on as the calling script in that interpreter, unless it is there already."""
    if pathlib.Path(sys.prefix) != VENV:
        os.execv(ensure(), [str(PYTHON), *sys.argv])
