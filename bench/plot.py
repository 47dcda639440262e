#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what rivals-bench measured: python3 bench/plot.py FIGURES.json FOLDER

Plain SVG without dependencies, readable on light and dark pages. Latency and cost span three orders
of magnitude, so their axes are logarithmic, and say so.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .soft { fill: #57606a }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .ours { fill: #0a7f5a; stroke: #0a7f5a } .rival { fill: #b3541e; stroke: #b3541e }
  .floor { fill: #6e7781; stroke: #6e7781 }
  .c0 { stroke: #0a7f5a; fill: #0a7f5a } .c1 { stroke: #54c08f; fill: #54c08f }
  .c2 { stroke: #b3541e; fill: #b3541e } .c3 { stroke: #e39a5f; fill: #e39a5f }
  .c4 { stroke: #3b6fb6; fill: #3b6fb6 } .c5 { stroke: #8250c4; fill: #8250c4 }
  .c6 { stroke: #6e7781; fill: #6e7781 } .c7 { stroke: #afb8c1; fill: #afb8c1 }
  .line { fill: none; stroke-width: 2 } .range { stroke-width: 2; opacity: .45 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .soft { fill: #9198a1 } .grid { stroke: #30363d }
    .ours { fill: #3fc58f; stroke: #3fc58f } .rival { fill: #f0883e; stroke: #f0883e }
    .floor { fill: #9198a1; stroke: #9198a1 }
    .c0 { stroke: #3fc58f; fill: #3fc58f } .c2 { stroke: #f0883e; fill: #f0883e }
    .c1 { stroke: #a5f0cd; fill: #a5f0cd } .c3 { stroke: #ffd0a6; fill: #ffd0a6 }
    .c4 { stroke: #6ca4f8; fill: #6ca4f8 } .c5 { stroke: #bc8cff; fill: #bc8cff }
    .line { fill: none }
  }
"""
COLOURS = {"copy": 0, "in-place": 1, "iceoryx": 2, "iceoryx-in-place": 3, "zeromq": 4, "unix-stream": 5,
           "floor": 6, "memcpy": 7}


def short(value: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


@dataclass
class Log:
    """A logarithmic axis from data to pixels, its ends rounded to 1, 2 or 5 times a power of ten."""

    low: float
    high: float
    begin: float
    end: float
    ticks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        steps = [m * 10.0**e for e in range(-4, 10) for m in (1, 2, 5)]
        self.low = max((s for s in steps if s <= self.low), default=self.low)
        self.high = min((s for s in steps if s >= self.high), default=self.high)
        decades = math.log10(self.high / self.low)
        wanted = (1, 2, 5) if decades < 2 else (1,)
        self.ticks = [s for s in steps if self.low <= s <= self.high
                      and round(s / 10 ** math.floor(math.log10(s) + 1e-9)) in wanted]

    def __call__(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)


class Svg:
    def __init__(self, width: int, height: int, title: str, subtitle: str) -> None:
        self.head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                     f'width="{width}" height="{height}" role="img">\n<title>{escape(title)}</title>\n'
                     f"<style>{STYLE}</style>\n")
        self.body: list[str] = []
        self.text(12, 22, title, "title")
        self.text(12, 42, subtitle, "soft")

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        self.body.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" '
                         f'text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self.body.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')

    def dot(self, x: float, y: float, style: str, radius: float = 4.5) -> None:
        self.body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{style}"/>')

    def bar(self, x: float, y: float, width: float, height: float, style: str) -> None:
        self.body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                         f'class="{style}"/>')

    def path(self, points: list[tuple[float, float]], style: str) -> None:
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.body.append(f'<polyline points="{steps}" class="line {style}"/>')

    def save(self, path: Path) -> None:
        path.write_text(self.head + "\n".join(self.body) + "\n</svg>\n", encoding="utf-8")


def legend(svg: Svg, x: float, y: float) -> None:
    for style, words in (("ours", "Framering"), ("rival", "others"), ("floor", "floor: copies and wake-ups alone")):
        svg.dot(x, y - 4, style)
        svg.text(x + 10, y, words, "soft")
        x += 24 + 7 * len(words)


def present(match: dict, figure: str) -> list[dict]:
    return [lane for lane in match["lanes"] if "absent" not in lane and lane["lane"] != "floor-again"
            and lane.get(figure, {}).get("p50", 0) > 0]


def dots(matches: list[dict], figure: str, title: str, path: Path) -> None:
    """A row for each lane, a panel for each number of readers: p50 as a dot, a line on to p99."""
    rows = {lane["lane"]: lane for match in matches for lane in present(match, figure)}
    values = [lane[figure][q] for match in matches for lane in present(match, figure) for q in ("p50", "p99")]
    if not values:
        return
    left, top, panel, gap, row = 180, 92, 230, 40, 21
    bottom = top + row * len(rows)
    match = matches[0]
    svg = Svg(max(640, left + len(matches) * (panel + gap)), bottom + 46, title,
              f"{match['bytes']:,} bytes at {match['fps']} frames a second. Dot: p50, line: to p99. "
              "Microseconds, logarithmic; left is better.")
    legend(svg, left, 62)
    for index, lane in enumerate(rows.values()):
        svg.text(left - 10, top + row * index + 15, lane["name"].strip(), "", "end")
    for number, match in enumerate(matches):
        begin = left + number * (panel + gap)
        axis = Log(min(values), max(values), begin, begin + panel)
        svg.text(begin, top - 8, f"{match['readers']} reader{'s' if match['readers'] > 1 else ''}")
        for tick in axis.ticks:
            svg.line(axis(tick), top, axis(tick), bottom, "grid")
            svg.text(axis(tick), bottom + 16, short(tick), "soft", "middle")
        svg.text(begin + panel / 2, bottom + 34, "µs", "soft", "middle")
        here = {lane["lane"]: lane for lane in present(match, figure)}
        for index, key in enumerate(rows):
            if key not in here:
                continue
            lane, y = here[key], top + row * index + 11
            svg.line(axis(lane[figure]["p50"]), y, axis(lane[figure]["p99"]), y, f"range {lane['kind']}")
            svg.dot(axis(lane[figure]["p50"]), y, lane["kind"])
    svg.save(path)


def bars(matches: list[dict], title: str, path: Path) -> None:
    """What all readers received together, unpaced; lanes in place receive nothing but an address."""
    def lanes(match: dict) -> list[dict]:
        return [lane for lane in match["lanes"]
                if lane.get("received_gb_per_s", 0) > 0 and not lane["in_place"]
                and lane["lane"] not in ("lease", "floor-again")]

    rows = {lane["lane"]: lane for match in matches for lane in lanes(match)}
    if not rows:
        return
    left, top, panel, gap, row = 180, 92, 230, 46, 21
    bottom = top + row * len(rows)
    svg = Svg(max(640, left + len(matches) * (panel + gap)), bottom + 46, title,
              f"{matches[0]['bytes']:,} bytes, as fast as it goes; GB/s of all readers together; right is better.")
    legend(svg, left, 62)
    most = max(lane["received_gb_per_s"] for match in matches for lane in lanes(match))
    for index, lane in enumerate(rows.values()):
        svg.text(left - 10, top + row * index + 15, lane["name"].strip(), "", "end")
    for number, match in enumerate(matches):
        begin = left + number * (panel + gap)
        svg.text(begin, top - 8, f"{match['readers']} reader{'s' if match['readers'] > 1 else ''}")
        svg.line(begin, top, begin, bottom, "grid")
        here = {lane["lane"]: lane for lane in lanes(match)}
        for index, key in enumerate(rows):
            if key not in here:
                continue
            value, y = here[key]["received_gb_per_s"], top + row * index
            width = value / most * panel
            svg.bar(begin, y + 4, width, row - 7, here[key]["kind"])
            svg.text(begin + width + 5, y + 15, f"{value:.1f}" if value >= 0.1 else f"{value:.2f}", "soft")
        svg.text(begin + panel / 2, bottom + 22, "GB/s", "soft", "middle")
    svg.save(path)


def curve(found: dict, path: Path) -> None:
    """Publish and latency against one thing that grows."""
    panels = (("publish_us", "publish, p50"), ("latency_us", "latency, p50"))
    points = found["points"]
    lanes: dict[str, str] = {}
    values = []
    for point in points:
        for lane in present(point["match"], "publish_us"):
            lanes.setdefault(lane["lane"], lane["name"].strip())
            values += [lane[f]["p50"] for f, _ in panels if lane[f]["p50"] > 0]
    if not values or len(points) < 2:
        return
    left, top, width, height, gap = 60, 80, 330, 250, 60
    svg = Svg(left + 2 * (width + gap) + 120, top + height + 56, f"Cost against {found['name']}",
              f"{found['what']}. Microseconds; both axes are logarithmic; below is better.")
    for number, (figure, words) in enumerate(panels):
        begin = left + number * (width + gap)
        x = Log(points[0]["x"], points[-1]["x"], begin, begin + width)
        y = Log(min(values), max(values), top + height, top)
        svg.text(begin, top - 10, words)
        for tick in y.ticks:
            svg.line(begin, y(tick), begin + width, y(tick), "grid")
            svg.text(begin - 6, y(tick) + 4, short(tick), "soft", "end")
        for point in points:
            svg.text(x(point["x"]), top + height + 18, short(point["x"]), "soft", "middle")
        svg.text(begin + width / 2, top + height + 40, found["unit"], "soft", "middle")
        for key in lanes:
            here = [(x(p["x"]), y(lane[figure]["p50"])) for p in points for lane in present(p["match"], figure)
                    if lane["lane"] == key]
            if not here:
                continue
            svg.path(here, f"c{COLOURS.get(key, 6)}")
            for at in here:
                svg.dot(*at, f"c{COLOURS.get(key, 6)}", 3)
    for index, (key, name) in enumerate(lanes.items()):
        at = top + 14 + 20 * index
        svg.dot(left + 2 * (width + gap) - 30, at - 4, f"c{COLOURS.get(key, 6)}")
        svg.text(left + 2 * (width + gap) - 20, at, name)
    svg.save(path)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    figures = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for size, name in ((100_000, "100kB"), (3_110_400, "1080p")):
        matches = [match for match in figures["matches"] if match["bytes"] == size]
        if not matches:
            continue
        dots(matches, "latency_us", "Latency: from before publishing to the reader's own memory",
             folder / f"latency-{name}.svg")
        dots(matches, "publish_us", "What publishing a frame costs the producer", folder / f"publish-{name}.svg")
        bars(matches, "Received, unpaced", folder / f"received-{name}.svg")
    for found in figures["curves"]:
        curve(found, folder / f"against-{found['name']}.svg")
    print("\n".join(str(path) for path in sorted(folder.glob("*.svg"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
