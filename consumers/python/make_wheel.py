#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs the extension, the Python files and the libraries that not every Linux has into a wheel.

A wheel is a zip file with a list of what is in it (PEP 427, PEP 600); made here by hand, so that
building needs no network and no build front end. What must be there on the machine that it is
installed on: the C and C++ libraries, no older than here.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import platform
import re
import subprocess
import zipfile

# What a manylinux wheel may expect (PEP 600), as far as it is used here.
EVERYWHERE = re.compile(r"^(ld-linux.*|linux-vdso|libc|libm|libpthread|libdl|librt|libgcc_s|"
                        r"libstdc\+\+)\.so")

METADATA = """Metadata-Version: 2.1
Name: framering
Version: {version}
Summary: Reads video frames of a Framering broker from shared memory
License: Apache-2.0
Requires-Python: {python}
Provides-Extra: numpy
Requires-Dist: numpy>=1.20; extra == "numpy"
Classifier: Operating System :: POSIX :: Linux
Description-Content-Type: text/markdown

{readme}
"""

WHEEL = """Wheel-Version: 1.0
Generator: framering make_wheel.py
Root-Is-Purelib: false
Tag: {tag}
"""


def libraries_of(extension):
    """Path of each shared library that has to come along."""
    listed = subprocess.run(["ldd", extension], check=True, capture_output=True, text=True).stdout
    found = []
    for line in listed.splitlines():
        name, _, rest = line.strip().partition(" => ")
        if EVERYWHERE.match(os.path.basename(name.split(" ")[0])):
            continue
        if not rest or "not found" in rest:
            raise SystemExit(f"{extension}: {line.strip()}")
        found.append(pathlib.Path(rest.split(" (")[0]))
    return found


def copyright_of(library):
    """What Debian has to say about it, for whoever passes the wheel on."""
    for path in (library, library.resolve()):
        owner = subprocess.run(["dpkg-query", "-S", str(path)], capture_output=True, text=True,
                               check=False).stdout.partition(":")[0]
        notice = pathlib.Path("/usr/share/doc", owner, "copyright")
        if owner and notice.exists():
            return notice
    return None


def tag(abi):
    """Such as cp311-abi3-manylinux_2_36_x86_64: for this glibc and newer ones."""
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()[1].replace(".", "_")
    return f"{abi}-manylinux_{libc}_{platform.machine()}"


def contents(arguments):
    """Name in the wheel and bytes of each file."""
    package = pathlib.Path(__file__).parent / "framering"
    info = f"framering-{arguments.version}.dist-info"
    for path in sorted(package.iterdir()):
        if path.suffix in (".py", ".pyi", ".typed") or path.name == "py.typed":
            yield f"framering/{path.name}", path.read_bytes()
    yield f"framering/{arguments.extension.name}", arguments.extension.read_bytes()
    for library in libraries_of(arguments.extension):
        yield f"framering/lib/{library.name}", library.read_bytes()
        notice = copyright_of(library)
        if notice is not None:
            yield f"{info}/licenses/{library.name}.txt", notice.read_bytes()
    source = pathlib.Path(__file__).parents[2]
    yield f"{info}/licenses/LICENSE", (source / "LICENSE").read_bytes()
    readme = (pathlib.Path(__file__).parent / "README.md").read_text()
    yield f"{info}/METADATA", METADATA.format(version=arguments.version, python=arguments.python,
                                              readme=readme).encode()
    yield f"{info}/WHEEL", WHEEL.format(tag=tag(arguments.abi)).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extension", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--abi", required=True, help="such as cp311-abi3")
    parser.add_argument("--python", required=True, help="such as >=3.11")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="a folder")
    parser.add_argument("--stamp", type=pathlib.Path, help="gets the wheel's path")
    arguments = parser.parse_args()

    arguments.output.mkdir(parents=True, exist_ok=True)
    for old in arguments.output.glob("framering-*.whl"):
        old.unlink()
    wheel = arguments.output / f"framering-{arguments.version}-{tag(arguments.abi)}.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        def add(name, data):
            entry = zipfile.ZipInfo(name)  # the same bytes give the same wheel
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
        for name, data in contents(arguments):
            add(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(data)}\n")
        record_name = f"framering-{arguments.version}.dist-info/RECORD"
        add(record_name, "".join(record) + f"{record_name},,\n")
    if arguments.stamp:
        arguments.stamp.write_text(f"{wheel}\n")


if __name__ == "__main__":
    main()
