"""What 100,000 records take in memory and time, and what a whole export takes whose records have no slots."""
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import TgBulk
from tgbulk.perf.bench.variant import Variant

COUNT = 100_000
#: What is held in number, and what crosses a process boundary.
PEER = "tgbulk.stages.fetch.peer_cache:Peer"
FRAMES = {
    "page frames": "tgbulk.engine.hop:Page",
    "ranges": "tgbulk.stages.fetch.missing:WalkRange",
    "receipts": "tgbulk.stages.protocol.receipt:Receipt",
}
USER = "telethon.tl.types:User"
MEGABYTE = 1_000_000
TWIN = "unslotted twin"
#: At least a quarter less than the twin, and a quarter of Telethon's objects at most.
LESS, QUARTER = Goal(0.75, ratio=True), Goal(0.25, ratio=True)
SIZES = {Scale.QUICK: 50_000, Scale.NORMAL: 500_000, Scale.FULL: 1_000_000}
UNSLOTTED = Variant(name="unslotted twins", module="tgbulk.perf.bench.unslotted")


@dataclass(frozen=True, slots=True)
class Held:
    """What COUNT records took."""

    bytes: int
    seconds: float


def run(bench: Bench) -> list[Row]:
    """Records first, each kind in a process of its own, then exports in turns."""
    return _records(bench) + _exports(bench)


def _records(bench: Bench) -> list[Row]:
    ours = _measure(bench, "class", PEER)
    note = f"{COUNT:,} of the peer cache; the values in them are shared and not counted"
    rows = []
    for form, path, name, goals in (
        ("twin", PEER, TWIN, (LESS,)),
        ("dict", PEER, "dict", ()),
        ("telethon", USER, "Telethon's User", (QUARTER,)),
    ):
        other = _measure(bench, form, path)
        rows.append(Row("peers, held", Unit.MEGABYTES, ours.bytes / MEGABYTE, other.bytes / MEGABYTE, name, goals, note))
        rows.append(Row("peers, made", Unit.MILLISECONDS, 1000 * ours.seconds, 1000 * other.seconds, name, note=note))
    for what, path in FRAMES.items():
        held, twin = _measure(bench, "class", path), _measure(bench, "twin", path)
        rows.append(Row(f"{what}, held", Unit.MEGABYTES, held.bytes / MEGABYTE, twin.bytes / MEGABYTE, TWIN, (LESS,)))
    return rows


def _exports(bench: Bench) -> list[Row]:
    chat = Chat("chat", SIZES[bench.scale])
    peaks: dict[str, list[Result]] = {TgBulk().name: [], UNSLOTTED.name: []}
    with bench.server([chat]) as server:
        for _ in range(bench.runs):
            for exporter in (TgBulk(), UNSLOTTED):
                peaks[exporter.name].append(bench.need(Job(server, exporter, [chat]), watch_memory=True))
    ours, twins = (median(peaks[name], _peak) for name in (TgBulk().name, UNSLOTTED.name))
    note = f"PSS of all processes, {chat.messages:,} messages; only few records are held at a time"
    return [Row("peak of an export", Unit.MEGABYTES, ours, twins, UNSLOTTED.name, note=note)]


def _measure(bench: Bench, form: str, path: str) -> Held:
    """The least time of several runs; the bytes are always the same."""
    command = [sys.executable, "-m", "tgbulk.perf.bench.record", form, path, str(COUNT)]
    found = []
    for _ in range(max(3, bench.runs)):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{form} of {path}: {done.stderr.strip()[-300:]}")
        found.append(Held(**json.loads(done.stdout)))
    bench.log.append({"record": path, "form": form, "bytes": found[0].bytes, "seconds": [one.seconds for one in found]})
    return min(found, key=lambda one: one.seconds)


def _peak(result: Result) -> float:
    return result.usage.pss / MEGABYTE
