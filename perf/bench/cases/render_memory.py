"""Memory of a process that renders, at its highest, of chats of very different sizes."""
from __future__ import annotations

import shutil

from tgbulk.perf.bench.case import Bench, Scale, say
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.exporter import environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.measure import run as measure
from tgbulk.perf.bench.row import Goal, Row, Unit
from tgbulk.perf.bench.tgbulk import TGBULK
from tgbulk.perf.corpus.write import write_archive

#: Messages -> formats.
FORMATS = ("jsonl", "sqlite", "html", "desktop")
SIZES: dict[Scale, dict[int, tuple[str, ...]]] = {
    Scale.QUICK: {10_000: ("jsonl", "html"), 60_000: ("jsonl", "html")},
    Scale.NORMAL: {10_000: FORMATS, 1_000_000: FORMATS},
    Scale.FULL: {10_000: FORMATS, 1_000_000: FORMATS, 10_000_000: ("jsonl",)},
}
GOAL = Goal(250)
MEGABYTE = 1_000_000
#: Seconds for one command.
LIMIT = 7200.0


def run(bench: Bench) -> list[Row]:
    """The highest proportional set size, sampled ten times a second, once each."""
    peaks: dict[tuple[str, int], float] = {}
    sizes = SIZES[bench.scale]
    for size, formats in sizes.items():
        archive = bench.folder / "archive"
        write_archive(archive, "plain", size)
        for format in formats:
            out = bench.folder / "out"
            command = [TGBULK, "render", format, str(archive), "--output", str(out), "-q", "--workers", "1"]
            usage = measure([Launch(command, environment(bench.folder), bench.folder)], LIMIT, watch_memory=True)[0]
            if usage.exit_code or usage.killed:
                raise BenchError(f"tgbulk render {format} ended with exit code {usage.exit_code}")
            peaks[format, size] = usage.pss / MEGABYTE
            say(f"    {format}, {size:,} messages: {peaks[format, size]:.0f} MB, {usage.seconds:.0f} s")
            shutil.rmtree(out)
        shutil.rmtree(archive)
    least = min(sizes)
    bench.log.append({"peaks": {f"{format} {size}": peak for (format, size), peak in peaks.items()}})
    return [
        Row(f"{format}, PSS at {size:,} messages", Unit.MEGABYTES, peak, peaks[format, least], f"{least:,} messages",
            (GOAL,))
        for (format, size), peak in peaks.items() if size > least
    ]
