#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program that was built against the last version of libframering runs with this one.

libframering.abi is what abidw said of the last release: its functions, and each member of its structs.
New functions, and new members at the end of a struct, are no change to such a program. After a release,
and for a change that was meant: `abi_test.py LIBRARY --store`.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

HERE = pathlib.Path(__file__).resolve().parent
STORED = HERE / "libframering.abi"
HEADER = HERE / "../../broker/framering.h"
# What is a promise: the C functions, and the types that framering.h says all of. Those of which it says
# the name only are kept as names (--drop-private-types); the rest is other people's.
SCOPE = r"""
[suppress_function]
symbol_name_not_regexp = ^framering_
drop = yes
[suppress_variable]
symbol_name_regexp = .*
drop = yes
[suppress_type]
source_location_not_regexp = .*framering\.h|.*framering_c\.cpp|.*stdint.*|.*types\.h
drop = yes
"""


def describe(library, output):
    """What abidw says of the library's C API."""
    with tempfile.TemporaryDirectory() as folder:
        rules = pathlib.Path(folder, "rules.ini")
        rules.write_text(SCOPE)
        headers = pathlib.Path(folder, "headers")
        headers.mkdir()
        (headers / HEADER.name).write_text(HEADER.read_text())
        subprocess.run(["abidw", "--suppressions", rules, "--drop-private-types", "--headers-dir", headers,
                        "--no-comp-dir-path", "--no-corpus-path", "--no-show-locs", "--no-elf-needed",
                        "--no-architecture", "--drop-undefined-syms", "--out-file", output, library],
                       check=True, timeout=60)
    output = pathlib.Path(output)  # where it was built is nobody's business
    output.write_text(re.sub(r"(<abi-instr [^>]*path=')[^']*/", r"\1", output.read_text()))


def without_growth(old, new, output):
    """`new` without what its structs have more at their ends: they say their own size, so that is allowed."""
    sizes = {struct.get("name"): int(struct.get("size-in-bits"))
             for struct in ElementTree.parse(old).iter("class-decl") if struct.get("size-in-bits")}
    tree = ElementTree.parse(new)
    for struct in tree.iter("class-decl"):
        size = sizes.get(struct.get("name"))
        if size is None or int(struct.get("size-in-bits", 0)) <= size:
            continue
        for member in struct.findall("data-member"):
            if int(member.get("layout-offset-in-bits")) >= size:
                struct.remove(member)
        struct.set("size-in-bits", str(size))
    tree.write(output)


def differences(old, new):
    """What abidiff has to say against `new`; empty: nothing."""
    with tempfile.NamedTemporaryFile(suffix=".abi") as trimmed:
        without_growth(old, new, trimmed.name)
        result = subprocess.run(["abidiff", "--no-added-syms", "--no-architecture", old, trimmed.name],
                                capture_output=True, text=True, timeout=60)
    if result.returncode & 3 or result.stderr:
        raise AssertionError("abidiff: " + result.stderr)
    return result.stdout if result.returncode else ""


class Abi(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.now = pathlib.Path(folder.name) / "now.abi"
        self.changed = pathlib.Path(folder.name) / "changed.abi"
        describe(os.environ["FRAMERING_LIBRARY"], self.now)

    def judged(self, pattern, replacement):
        """What is said of this library if it was changed so."""
        text = self.now.read_text()
        changed, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
        self.assertGreater(count, 0, f"{pattern} is not there to be changed")
        self.changed.write_text(changed)
        return differences(self.now, self.changed)

    def test_programs_built_against_the_last_version_run_with_this_one(self):
        self.assertEqual(differences(STORED, self.now), "")

    def test_all_types_of_the_header_are_compared(self):
        types = re.findall(r"class-decl name='(framering_\w+)' size-in-bits", self.now.read_text())
        declared = re.findall(r"^typedef struct framering_\w+ \{.*?^\} (framering_\w+);",
                              HEADER.read_text(), re.DOTALL | re.MULTILINE)
        self.assertGreater(len(declared), 3)
        self.assertEqual(sorted(types), sorted(declared))

    def test_a_function_that_is_gone_is_found(self):
        name = "framering_reader_close"
        self.assertIn(name, self.judged(rf" *<elf-symbol name='{name}'[^\n]*\n|"
                                        rf" *<function-decl name='{name}'.*?</function-decl>\n", ""))

    def test_a_member_that_moved_is_found(self):
        self.assertIn("lost_before", self.judged(
            r"(layout-offset-in-bits=')192('>\s*<var-decl name='lost_before')", r"\g<1>1152\2"))

    def test_a_parameter_of_another_type_is_found(self):
        text = self.now.read_text()
        other = re.search(r"<type-decl name='int' size-in-bits='32' id='([^']*)'", text)[1]
        self.assertIn("framering_reader_close", self.judged(
            r"(<function-decl name='framering_reader_close'[^>]*>\s*<parameter type-id=')[^']*",
            rf"\g<1>{other}"))

    def test_a_member_at_the_end_is_allowed(self):
        text = self.now.read_text()
        number = re.search(r"name='uint64_t' type-id='[^']*' id='([^']*)'", text)[1]
        status = re.search(r"name='framering_status' size-in-bits='(\d+)'", text)[1]
        self.assertEqual(self.judged(
            r"(name='framering_status' size-in-bits=')\d+(.*?)( *</class-decl>)",
            rf"\g<1>{int(status) + 64}\2<data-member access='public' layout-offset-in-bits='{status}'>"
            rf"<var-decl name='later' type-id='{number}' visibility='default'/></data-member>\n\3"), "")


if __name__ == "__main__":
    os.environ.setdefault("FRAMERING_LIBRARY", sys.argv.pop(1))
    if "--store" in sys.argv:
        describe(os.environ["FRAMERING_LIBRARY"], STORED)
    else:
        unittest.main(verbosity=2)
