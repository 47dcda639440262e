#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A man page out of what a program says with --help, so that there is one text, not two.

    page.py PROGRAM SECTION VERSION OUTPUT

What it takes --help for: sentences about the program, "Usage: ...", headings that end in a colon with
entries below ("  --option VALUE   what it does", continued further to the right), and after that
sentences and indented examples.
"""

import os
import re
import subprocess
import sys
import time

HEADING = re.compile(r"(\[?[A-Z][A-Za-z ]*\]?):$")
ENTRY = re.compile(r" {2}(\S.*?)(?: {2,}(\S.*))?$")
LABEL = re.compile(r"[\w, -]{1,24}: ")
TEXT_COLUMN = 26  # where an entry's text begins if one blank is all that is before it
LISTS = ("Options", "Positionals", "Subcommands")
PROGRAMS = (("framering", 1), ("framering-broker", 8), ("framering-exporter", 8), ("framering-producer", 8),
            ("framering-recorder", 8), ("framering-webrtc", 8), ("framering-websocket", 8))


def roff(text):
    """`text` as it is, whatever troff would make of its characters."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\`").replace("'", "\\(aq")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text


class Page:
    """Takes a --help line by line and writes troff; `nested`: below the heading of a subcommand."""

    def __init__(self, nested=False):
        self.nested = nested
        self.out = []
        self.section = ""
        self.in_entry = False
        self.in_example = False
        self.in_paragraph = False

    def heading(self, title):
        self.close()
        self.section = title
        if self.nested:
            self.out += [".PP", f".B {roff(title)}:"]
        else:
            self.out.append(f".SH {roff(title.upper())}")

    def close(self):
        if self.in_example:
            self.out.append(".fi")
        self.in_entry = self.in_example = self.in_paragraph = False

    def entry(self, tag, text):
        self.close()
        self.in_entry = True
        self.out += [".TP", f".B {roff(tag)}"]
        self.continued(text)

    def continued(self, text):
        if LABEL.match(text) and not self.out[-1].startswith(".B "):
            self.out.append(".br")
        if text:
            self.out.append(roff(text))

    def example(self, line):
        if not self.in_example:
            self.close()
            if not self.out[-1].startswith((".SH", ".B")):
                self.out.append(".PP")
            self.out.append(".nf")
            self.in_example = True
        self.out.append(roff(line))

    def sentence(self, text):
        if not self.in_paragraph:
            if self.section in ("Examples", *LISTS) and not self.nested:
                self.heading("Notes")
            self.close()
            if not self.out[-1].startswith(".SH"):
                self.out.append(".PP")
            self.in_paragraph = True
        self.out.append(roff(text.strip()))

    def take(self, line):
        heading = HEADING.match(line)
        entry = ENTRY.match(line)
        if not line.strip():
            self.close()
        elif line.startswith("Exit codes: "):
            self.heading("Exit status")
            self.sentence(line.removeprefix("Exit codes: "))
        elif heading:
            self.heading(heading[1].strip("[]"))
        elif self.in_entry and line.startswith(" " * 16):
            self.continued(line.strip())
        elif entry and entry[1][0] != " " and (self.section in LISTS or entry[1][0] == "-"):
            if not self.section:
                self.heading("Options")
            tag, text = entry[1], entry[2] or ""
            if not text and line[TEXT_COLUMN - 1:TEXT_COLUMN] == " ":
                tag, text = line[:TEXT_COLUMN].strip(), line[TEXT_COLUMN:]
            self.entry(tag, text)
        elif line.startswith(" ") and not self.in_paragraph:
            self.example(line.strip() if line.startswith("  ") and line[2] != " " else line[2:])
        else:
            self.sentence(line)


def ask(program, *words):
    """The sentences before "Usage:", the usage, and the lines after it."""
    text = subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True,
                          timeout=30, env={**os.environ, "COLUMNS": "100"}).stdout
    before, usage, after = text.partition("Usage: ")
    if not usage:
        sys.exit(f"page.py: {program} --help has no Usage:")
    usage, _, rest = after.partition("\n")
    return " ".join(before.split()), usage.strip(), rest.splitlines()


def body(lines, nested=False):
    page = Page(nested)
    page.out.append("")
    for line in lines:
        if nested and line.startswith(("Exit codes:", "            4 ")):
            continue  # said once, for all
        if not (nested and line.startswith("  -h,--help")):
            page.take(line.rstrip())
    page.close()
    return page.out[1:]


def main():
    program, section, version, output = sys.argv[1:]
    name = os.path.basename(program)
    about, usage, lines = ask(program)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    first = about.removeprefix(name + " ").split(". ")[0].rstrip(".").split("; ")[0]
    out = [f'.TH {name.upper()} {section} {date} "Framering {version}" Framering',
           ".nh", ".ad l",
           ".SH NAME", f"{name} \\- {roff(first[0].lower() + first[1:])}",
           ".SH SYNOPSIS", f".B {roff(name)}", roff(usage.removeprefix(name).strip()),
           ".SH DESCRIPTION", roff(about)]
    out += body(lines)
    subcommands = []
    if "Subcommands:" in lines:
        for line in lines[lines.index("Subcommands:") + 1:]:
            if not line.startswith("  "):
                break
            subcommands += re.findall(r"^ {2}(\w\S*)", line)
    if subcommands:
        out.append(".SH COMMANDS")
    for subcommand in subcommands:
        about, usage, lines = ask(program, subcommand)
        out += [f".SS {roff(usage)}", roff(about) + "."] + body(lines, nested=True)
    others = [f".BR {roff(other)} ({number})" for other, number in PROGRAMS if other != name]
    out += [".SH SEE ALSO", " ,\n".join(others)]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
