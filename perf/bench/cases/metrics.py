"""What the metrics cost: the same export with and without them, CPU time of all processes."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit
from tgbulk.perf.bench.tgbulk import TgBulk
from tgbulk.perf.bench.variant import Variant

SIZES = {Scale.QUICK: 100_000, Scale.NORMAL: 400_000, Scale.FULL: 1_000_000}
#: Pairs of runs for each run asked for: CPU time varies by some percent, and one percent is to be seen.
PAIRS = 4
#: Share of the CPU that metrics may take.
MOST = 0.01
WITHOUT = Variant(name="without metrics", module="tgbulk.perf.bench.unmeasured")


def run(bench: Bench) -> list[Row]:
    """Pairs of runs, in turns, and what the metrics say of their own cost."""
    chat = Chat("chat", SIZES[bench.scale])
    ours: list[Result] = []
    without: list[Result] = []
    told: list[float] = []
    output = bench.folder / "kept"
    with bench.server([chat]) as server:
        for _ in range(PAIRS * bench.runs):
            ours.append(bench.need(Job(server, TgBulk(), [chat], output)))
            told.append(_told(output))
            shutil.rmtree(output)
            without.append(bench.need(Job(server, WITHOUT, [chat])))
    # The least of several: everything else that happens on a machine only adds.
    cpu, bare = min(r.usage.cpu for r in ours), min(r.usage.cpu for r in without)
    note = f"{chat.messages:,} messages, the least of {len(ours)} runs each, in turns; goal: 1 % more"
    own = sum(told) / sum(result.usage.cpu for result in ours)
    return [
        Row("CPU with metrics", Unit.SECONDS, cpu, bare, WITHOUT.name, (Goal(1 + MOST, ratio=True),), note),
        Row("CPU of metrics, by their own account", Unit.SHARE, own, goals=(Goal(MOST),),
            note="the collector, and the thread of each process that tells it; without the counting itself"),
    ]


def _told(output: Path) -> float:
    (path,) = output.glob("archive/runs/*/metrics.json")
    return float(json.loads(path.read_text())["metrics"]["cpu"])
