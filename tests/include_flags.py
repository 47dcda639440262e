#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""include_flags.py BUILD_FOLDER HEADER: the -I, -isystem and -D that the sources beside HEADER get.

From compile_commands.json: the sources nearest to the header in the tree speak for it.
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
        return len(os.path.commonpath([source, header]))

    nearest = max(map(nearness, commands))
    flags = {}  # in the order found, each once
    for command in commands:
        if nearness(command) != nearest:
            continue
        words = shlex.split(command["command"])
        for index, word in enumerate(words):
            if word.startswith("-I"):
                flags["-I" + os.path.join(command["directory"], word[2:])] = None
            elif word.startswith("-isystem"):  # with its folder in the same word or in the next
                folder = word[len("-isystem"):] or words[index + 1]
                flags["-isystem" + os.path.join(command["directory"], folder)] = None
            elif word.startswith("-D") and '"' not in word:
                flags[word] = None
    print(" ".join(flags))


if __name__ == "__main__":
    main()
