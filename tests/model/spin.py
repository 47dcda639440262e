#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spin.py [--long] [--model NAME] [--keep FOLDER]: explores the SPIN models beside it, and all their mutants.

A model names in comments its worlds (`world: NAME DEFINES`; `long-world:` only with --long) and mutants
(`#define NAME number`, then `mutant: what is wrong`; `mutant[WORLD ...]:` when it shows in these worlds only;
`equivalent:` when it must not show at all; `cycles` after a world's defines: no way in it may go on for ever).
Prints TAP: a case for each world and each mutant in each world. A search that was not exhaustive, or a mutant that
stays green, fails.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["lease", "attach", "wake", "control"]
TIME_LIMIT_S = 280
DEPTH = 20_000
INCOMPLETE = ["max search depth too small", "out of memory", "Search not completed", "interrupted"]


@dataclasses.dataclass(frozen=True)
class World:
    model: str
    name: str
    defines: list[str]
    cycles: bool


@dataclasses.dataclass(frozen=True)
class Mutant:
    number: int
    name: str
    text: str
    worlds: list[str]  # where it has to be caught; empty: everywhere
    equivalent: bool


def worlds_of(model: str, source: str, with_long: bool) -> list[World]:
    worlds = []
    for kind, name, rest in re.findall(r"/\* (long-world|world): (\S+) (.*?) \*/", source):
        words = rest.split()
        if kind == "world" or with_long:
            worlds.append(World(model, name, [w for w in words if w != "cycles"], "cycles" in words))
    return worlds


def mutants_of(source: str) -> list[Mutant]:
    pattern = r"#define (\w+) +(\d+) +/\* (mutant|equivalent)(?:\[(.*?)\])?: (.*?) \*/"
    mutants = [Mutant(int(number), name, text, worlds.split(), kind == "equivalent")
               for name, number, kind, worlds, text in re.findall(pattern, source)]
    numbers = [mutant.number for mutant in mutants]
    assert mutants and numbers == list(range(1, len(numbers) + 1)), "each mutant has a number of its own"
    return mutants


def run(command: list[str], folder: pathlib.Path, mutant: int = 0) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(command, cwd=folder, env=os.environ | {"MUTANT": str(mutant)}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIME_LIMIT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def build(world: World, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    for file in HERE.glob("*.pml"):
        (folder / file.name).write_text(file.read_text())
    run(["spin", "-a", *world.defines, f"{world.model}.pml"], folder)
    run(["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], folder)
    if world.cycles:
        run(["gcc", "-O1", "-w", "-DNP", "-DCOLLAPSE", "-o", "pan-cycles", "pan.c"], folder)


@dataclasses.dataclass(frozen=True)
class Search:
    errors: int
    states: int
    fault: str  # what pan says of the first error


def explore(command: list[str], folder: pathlib.Path, mutant: int = 0) -> Search:
    """Throws unless the search came to its end or to an error."""
    output = run([*command, f"-m{DEPTH}"], folder, mutant)
    errors = re.search(r"errors: (\d+)$", output, re.MULTILINE)
    states = re.search(r"^ *(\d+) states, stored", output, re.MULTILINE)
    if not errors or not states:
        raise RuntimeError(f"pan gave no result:\n{output}")
    if errors[1] == "0":
        for sign in INCOMPLETE:
            if sign in output:
                raise RuntimeError(f"the search was not exhaustive: {sign}")
    fault = re.search(r"^pan:1: (.*)$", output, re.MULTILINE)
    return Search(int(errors[1]), int(states[1]), fault[1] if fault else "")


def judge_world(world: World, folder: pathlib.Path) -> tuple[bool, str]:
    found = explore(["./pan"], folder)
    title = f"{world.model}, {world.name}: {found.states} states"
    if found.errors == 0 and world.cycles:
        found = explore(["./pan-cycles", "-l"], folder)
        title += ", no cycle"
    return found.errors == 0, title + (f": {found.fault}" if found.errors else "")


def judge_mutant(world: World, mutant: Mutant, folder: pathlib.Path) -> tuple[bool, str]:
    found = explore(["./pan"], folder, mutant.number)
    title = f"{world.model}, {world.name}, {mutant.name} ({mutant.text}): "
    title += found.fault if found.errors else f"nothing wrong in {found.states} states"
    return (found.errors == 0) == mutant.equivalent, title


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="the larger worlds too")
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--keep", type=pathlib.Path, help="leave pan and its sources in this folder")
    options = parser.parse_args()

    passed = True
    cases = 0

    def report(ok: bool, title: str) -> None:
        nonlocal passed, cases
        passed, cases = passed and ok, cases + 1
        lines = title.replace("#", "").splitlines()
        print(f"{'ok' if ok else 'not ok'} {cases} - {lines[0]}", flush=True)
        for line in lines[1:]:
            print(f"# {line}")

    def in_turn(judge, world: World, *rest) -> tuple[bool, str]:
        try:
            return judge(world, *rest)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            return False, f"{world.model}, {world.name}: {error}"

    with tempfile.TemporaryDirectory(prefix="framering-spin-") as temporary:
        top = options.keep or pathlib.Path(temporary)
        jobs = []
        with concurrent.futures.ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2 + 1)) as pool:
            for model in [options.model] if options.model else MODELS:
                source = (HERE / f"{model}.pml").read_text()
                mutants = mutants_of(source)
                worlds = worlds_of(model, source, options.long)
                names = {world.name for world in worlds_of(model, source, True)}
                assert worlds and all(set(mutant.worlds) <= names for mutant in mutants), "no world of that name"
                for world in worlds:
                    folder = top / f"{model}-{world.name}"
                    try:
                        build(world, folder)
                    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                        report(False, f"{model}, {world.name}: {error}")
                        continue
                    jobs.append(pool.submit(in_turn, judge_world, world, folder))
                    jobs += [pool.submit(in_turn, judge_mutant, world, mutant, folder) for mutant in mutants
                             if not mutant.worlds or world.name in mutant.worlds]
        for job in jobs:
            report(*job.result())
    print(f"1..{cases}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
