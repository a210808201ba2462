"""Draws the README's pictures from a real run: `python -m tgbulk.perf.pictures.export FOLDER` writes run.svg and ring.svg.

The run exports three chats from a simulated Telegram in a pseudo-terminal. run.svg is what that terminal showed when about
two thirds were done, as a terminal emulator (pyte, extra `pictures`) read it; ring.svg has the run's own metrics in it.
"""
from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte

from tgbulk.perf.simdc.launcher import SimDC

COLUMNS, LINES = 100, 16
CHATS = {"sim_news": 40_000, "sim_science": 25_000, "sim_history": 15_000}
#: Milliseconds of a round trip, and getHistory requests a second and at once: what Telegram allows in a takeout.
LATENCY, FLOOD = 100, "messages.getHistory=10/25"
#: Seconds of the run before the screen is kept.
KEEP_AT = 50.0
#: Pixels of a cell of the terminal.
CELL, LINE = 8.0, 18
INK, PAPER, FAINT, EDGE = "#e6e6e6", "#1d1f21", "#9aa0a6", "#3c4043"
#: What the terminal's colours look like; any other is INK.
COLOURS = {"cyan": "#7fd1d8", "red": "#f28b82", "brown": "#fdd663", "brightblack": FAINT}
#: Of one line: (text, colour, whether it is bold).
Line = list[tuple[str, str, bool]]
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def main() -> None:
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="tgbulk-picture-") as scratch:
        screen, metrics = run(Path(scratch))
    (folder / "run.svg").write_text(draw_screen(screen))
    (folder / "ring.svg").write_text(draw_ring(metrics))


def run(scratch: Path) -> tuple[list[Line], dict[str, Any]]:
    """(lines of the terminal in mid-run, metrics.json of the run)."""
    bulk = [f"--bulk={name.removeprefix('sim_')}={count}" for name, count in CHATS.items()]
    with SimDC(*bulk, "--latency", str(LATENCY), "--flood", FLOOD) as dc:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TGBULK_", "TELEGRAM_"))}
        environment |= {"TGBULK_HOME": str(scratch / "home"), "TGBULK_SERVER": str(dc.server_file), "TERM": "xterm-256color"}
        tgbulk = [sys.executable, "-m", "tgbulk"]
        account = dc.accounts[0]
        login = [*tgbulk, "login", "--phone", f"+{account['phone']}", "--code", account["code"]]
        subprocess.run(login, env=environment, capture_output=True, check=True)
        export = [*tgbulk, "export", *(f"@{name}" for name in CHATS), "-o", "archive"]
        screen = watch(export, scratch, environment)
    (report,) = scratch.glob("archive/runs/*/metrics.json")
    metrics: dict[str, Any] = json.loads(report.read_bytes())
    return screen, metrics


def watch(command: list[str], folder: Path, environment: dict[str, str]) -> list[Line]:
    """What the command's terminal shows at KEEP_AT, or at its end where that comes before."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    terminal = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(terminal)
    kept: list[Line] = []
    began = os.times().elapsed
    while True:
        select.select([master], [], [], 1)
        if not kept and os.times().elapsed - began > KEEP_AT:
            kept = lines_of(terminal)
        try:
            stream.feed(os.read(master, 65536))
        except OSError:  # the other end is closed
            break
    os.close(master)
    process.wait()
    return kept or lines_of(terminal)


def lines_of(terminal: pyte.Screen) -> list[Line]:
    """What the terminal shows, in runs of one colour."""
    found: list[Line] = []
    for row in range(terminal.lines):
        cells = [terminal.buffer[row][column] for column in range(terminal.columns)]
        while cells and cells[-1].data == " ":
            cells.pop()
        runs = groupby(cells, lambda cell: (COLOURS.get(cell.fg, INK), cell.bold))
        found.append([("".join(cell.data for cell in run), *style) for style, run in runs])
    return found


def draw_screen(lines: list[Line]) -> str:
    """A terminal window."""
    shown = list(lines)
    while shown and not shown[-1]:
        shown.pop()
    shown.insert(0, [(f"$ tgbulk export {' '.join('@' + name for name in CHATS)} -o archive", FAINT, False)])
    width, height = COLUMNS * CELL + 32, len(shown) * LINE + 32
    parts = [f'<rect width="{width:.0f}" height="{height}" rx="8" fill="{PAPER}"/>']
    for number, line in enumerate(shown):
        spans, column = [], 0
        for text, colour, bold in line:
            weight = ' font-weight="bold"' if bold else ""
            spans.append(f'<tspan x="{16 + column * CELL:.0f}" fill="{colour}"{weight}>{escape(text)}</tspan>')
            column += len(text)
        parts.append(f'<text y="{28 + number * LINE}" xml:space="preserve">{"".join(spans)}</text>')
    return svg(width, height, parts, "tgbulk export on a terminal")


def draw_ring(metrics: dict[str, Any]) -> str:
    """The processes, each with what it did in the run."""
    stages = metrics["stages"]
    boxes = [
        ("fetch", 24, 40, "accounts, downloads"), ("process", 312, 40, "TL bytes to lines"),
        ("write", 600, 40, "order, commit, journal"), ("transcode", 24, 190, "videos, GPU"),
        ("collect", 312, 190, "metrics"), ("supervisor", 600, 190, "starts, watches, stops"),
    ]
    parts = [f'<rect width="824" height="300" rx="8" fill="{PAPER}"/>']
    for name, x, y, does in boxes:
        parts += [
            f'<rect x="{x}" y="{y}" width="200" height="84" rx="6" fill="none" stroke="{EDGE}" stroke-width="2"/>',
            f'<text x="{x + 12}" y="{y + 24}" fill="{INK}" font-weight="bold">{name}</text>',
            f'<text x="{x + 12}" y="{y + 46}" fill="{FAINT}">{does}</text>',
            f'<text x="{x + 12}" y="{y + 70}" fill="#8ab4f8">{escape(did(name, stages, metrics))}</text>',
        ]
    arrows = [
        ("M224 72 H306", "pages", 238, 64), ("M512 72 H594", "blocks", 524, 64),
        ("M700 124 V148 H110 V130", "acks", 392, 142), ("M124 124 V184", "jobs", 134, 176),
    ]
    for path, label, x, y in arrows:
        parts.append(f'<path d="{path}" fill="none" stroke="{FAINT}" stroke-width="1.5" marker-end="url(#head)"/>')
        parts.append(f'<text x="{x}" y="{y}" fill="{FAINT}">{label}</text>')
    return svg(824, 300, parts, "the processes of an export, with the figures of one run")


def did(name: str, stages: dict[str, Any], metrics: dict[str, Any]) -> str:
    """What a process did, from the run's metrics; nothing where it had nothing to do."""
    stage = stages.get(name)
    if stage:
        return f"{stage['throughput']:.1f} pages/s, {stage['cpu']:.1f} s CPU"
    return f"{metrics['messages']:,} messages, {metrics['seconds']:.0f} s" if name == "supervisor" else ""


def svg(width: float, height: float, parts: list[str], title: str) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" font-size="13">'
    marker = ('<defs><marker id="head" markerWidth="8" markerHeight="8" refX="6" refY="3" orient="auto">'
              f'<path d="M0 0 L6 3 L0 6 z" fill="{FAINT}"/></marker></defs>')
    return "\n".join([head, f"<title>{escape(title)}</title>", marker, *parts, "</svg>", ""])


if __name__ == "__main__":
    main()
