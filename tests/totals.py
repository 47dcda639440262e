#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""totals.py BUILD_FOLDER...: counts the test cases of the last `meson test` in each folder.

A GoogleTest program or a TAP script counts with each of its cases, any other test as one. A test
that failed without a failed case (a crash, a time-out, a leak found at its end) adds one failure.
Prints what failed and why, then "N passed, N failed". Exit code 1 when something failed or nothing ran.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

OK = {"OK", "EXPECTEDFAIL"}
# Where a test begins to say what went wrong, and how many lines that is worth.
WRONG = re.compile(r"^not ok|: Failure$|--- FAIL|^panic:|^PROBLEM|ERROR: |WARNING: ThreadSanitizer|"
                   r"runtime error:")
LINES, PLACES = 12, 6


def cases_of(folder):
    """{test's name: [(case's name, "passed" | "failed" | "skipped")]}"""
    root = ElementTree.parse(folder / "meson-logs" / "testlog.junit.xml").getroot()
    cases = {}
    for suite in root.iter("testsuite"):
        for case in suite.iter("testcase"):
            bad = case.find("failure") is not None or case.find("error") is not None
            skipped = case.find("skipped") is not None or case.get("status") == "notrun"
            outcome = "failed" if bad else "skipped" if skipped else "passed"
            cases.setdefault(suite.get("name"), []).append((case.get("name"), outcome))
    return cases


def bare(name):
    """meson says "PROJECT:SUITE / TEST" in some places and "TEST" in others."""
    return name.split(" / ")[-1].split(":")[-1]


def belongs_to(suite, test):
    """JUnit suites are PROJECT.TEST.SUITE (GoogleTest), PROJECT.TEST (TAP) or PROJECT."""
    return suite.split(".", 1)[-1] == test or suite.split(".", 1)[-1].startswith(test + ".")


def reasons(test):
    """What it said of its failures; else its last words."""
    lines = (test.get("stdout", "") + "\n" + test.get("stderr", "")).splitlines()
    places = [at for at, line in enumerate(lines) if WRONG.search(line)][:PLACES]
    wanted = {at for place in places for at in range(place, place + LINES)}
    return [line for at, line in enumerate(lines) if at in wanted] or lines[-2 * LINES:]


def count(folder):
    passed, failed, skipped, why = [], [], [], []
    suites = cases_of(folder)
    for suite, cases in suites.items():
        for name, outcome in cases:
            title = f"{folder}: {bare(suite.split('.', 1)[-1])}: {bare(name)}"
            {"passed": passed, "failed": failed, "skipped": skipped}[outcome].append(title)

    for line in (folder / "meson-logs" / "testlog.json").read_text().splitlines():
        test = json.loads(line)
        name = bare(test["name"])
        if test["result"] in OK or test["result"] == "SKIP":
            continue
        why += [f"{folder}: {name} said:", *(f"    {line}" for line in reasons(test))]
        told = [c for s, cs in suites.items() for c in cs
                if c[1] == "failed" and (belongs_to(s, name) or bare(c[0]) == name)]
        if not told:
            failed.append(f"{folder}: {name}: {test['result'].lower()}")
    return passed, failed, skipped, why


def main():
    totals = [], [], [], []
    for folder in map(pathlib.Path, sys.argv[1:]):
        try:
            for total, part in zip(totals, count(folder)):
                total.extend(part)
        except (OSError, ElementTree.ParseError) as error:
            totals[1].append(f"{folder}: no results: {error}")
    passed, failed, skipped, why = totals
    for title in skipped:
        print(f"skipped: {title}")
    print(*why, sep="\n", end="\n" if why else "")
    for title in failed:
        print(f"FAILED: {title}")
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
