"""Files: one large one and many small ones behind 100 ms of latency, the CPU of a megabyte, and what is there already."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.bench.baseline.media import PlainMedia
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.tgbulk import TgBulk

#: Milliseconds.
LATENCY = 100.0
GET_FILE = "upload.getFile"
#: Bytes of the large file; number and bytes of the small ones.
LARGE = {Scale.QUICK: 20_000_000, Scale.NORMAL: 200_000_000, Scale.FULL: 200_000_000}
SMALL = {Scale.QUICK: (200, 30_000), Scale.NORMAL: (2_000, 30_000), Scale.FULL: (2_000, 30_000)}
#: Bytes of the two files of the CPU's slope, without latency.
_SPAN = (20_000_000, 220_000_000)
SLOPE = {Scale.QUICK: (10_000_000, 50_000_000), Scale.NORMAL: _SPAN, Scale.FULL: _SPAN}
NOTE = "all processes; tgbulk computes SHA-256 and CRC-32 as well"
#: Against download_media: a large file at least eight times as fast.
FASTER = (Goal(1 / 8, ratio=True),)


@dataclass(frozen=True, slots=True)
class TgBulkMedia(TgBulk):
    """`tgbulk export --media all`; what it counts is files."""

    options: tuple[str, ...] = ("--media", "all")

    def count(self, home: Path, output: Path) -> int:
        return sum(path.is_file() and path.suffix != ".part" for path in output.glob("archive/media/*/*/*"))


OURS, THEIRS = TgBulkMedia(), PlainMedia()
EXPORTERS = (OURS, THEIRS)


def run(bench: Bench) -> list[Row]:
    """Seconds and CPU seconds of whole programs, start-up and messages included."""
    count, size = SMALL[bench.scale]
    large, small = Chat("large", 1, LARGE[bench.scale]), Chat("small", count, size)
    again: list[Result] = []
    with bench.server([large, small], latency=LATENCY) as server:
        found = {chat: _each(bench, server, chat) for chat in (large, small)}
        output = bench.folder / "twice"
        bench.need(Job(server, OURS, [small], output))
        again.append(bench.need(Job(server, OURS, [small], output)))
    first, second = (Chat(name, 1, size) for name, size in zip(("few", "much"), SLOPE[bench.scale], strict=True))
    with bench.server([first, second]) as server:
        slopes = {chat: _each(bench, server, chat) for chat in (first, second)}
    return [
        _seconds(f"one file of {large.file_size // 10**6} MB, 100 ms", found[large], FASTER),
        _seconds(f"{small.messages:,} files of {small.file_size // 1000} kB, 100 ms", found[small], ()),
        _slope(slopes[first], slopes[second], (second.file_size - first.file_size) / 1e6),
        Row("getFile calls for files that are there", Unit.COUNT, median(again, _calls), None, "", (Goal(0),)),
    ]


def _each(bench: Bench, server: Server, chat: Chat) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {exporter.name: [] for exporter in EXPORTERS}
    for _ in range(bench.runs):
        for exporter in EXPORTERS:
            results[exporter.name].append(bench.need(Job(server, exporter, [chat])))
    return results


def _seconds(what: str, results: dict[str, list[Result]], goals: tuple[Goal, ...]) -> Row:
    ours, theirs = (median(results[name], lambda one: one.usage.seconds) for name in (OURS.name, THEIRS.name))
    note = "the whole program; a ratio of 1/8 is eight times as fast" if goals else "the whole program"
    return Row(what, Unit.SECONDS, ours, theirs, THEIRS.name, goals, note)


def _slope(small: dict[str, list[Result]], large: dict[str, list[Result]], megabytes: float) -> Row:
    ours, theirs = (
        (_cpu(large[name]) - _cpu(small[name])) / megabytes * 1000 for name in (OURS.name, THEIRS.name)
    )
    return Row("CPU a megabyte", Unit.MILLISECONDS, ours, theirs, THEIRS.name, (), NOTE)


def _cpu(results: list[Result]) -> float:
    return median(results, lambda one: one.usage.cpu) or 0.0


def _calls(result: Result) -> float:
    return result.traffic.calls.get(GET_FILE, 0)
