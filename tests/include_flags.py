#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""include_flags.py BUILD_FOLDER HEADER: the -I, -isystem and -D that sources beside HEADER get.

From compile_commands.json: the source nearest to the header in the tree speaks for it.
"""

import json
import os
import shlex
import sys


def main():
    build, header = sys.argv[1:]
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    header = os.path.abspath(header)

    def nearness(command):
        source = os.path.abspath(os.path.join(command["directory"], command["file"]))
        return len(os.path.commonpath([source, header])), "test" not in source

    words = shlex.split(max(commands, key=nearness)["command"])
    base = os.path.abspath(build)
    flags = []
    for index, word in enumerate(words):
        if word.startswith("-I"):
            flags.append("-I" + os.path.join(base, word[2:]))
        elif word == "-isystem":
            flags += ["-isystem", os.path.join(base, words[index + 1])]
        elif word.startswith("-D") and '"' not in word:
            flags.append(word)
    print(" ".join(dict.fromkeys(flags)) if "-isystem" not in flags else " ".join(flags))


if __name__ == "__main__":
    main()
