"""A limit far below what the exporter could ask: floods met, time lost by them, and the patience to sit them out."""
from __future__ import annotations

from collections.abc import Callable

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.baseline.tg_chat_dump import TgChatDump
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.server import Limit
from tgbulk.perf.bench.tgbulk import TgBulk

LIMIT = Limit(5, 10)
#: Milliseconds.
LATENCY = 20.0
PAGES = {Scale.QUICK: 35, Scale.NORMAL: 400, Scale.FULL: 400}


def run(bench: Bench) -> list[Row]:
    """Everybody at once, each with a server of its own."""
    chat = Chat("chat", PAGES[bench.scale] * 100)
    exporters: tuple[Exporter, ...] = (TgBulk(), Plain(), TgChatDump())
    results: dict[str, list[Result]] = {exporter.name: [] for exporter in exporters}
    servers = [bench.server([chat], latency=LATENCY, limit=LIMIT) for _ in exporters]
    with servers[0], servers[1], servers[2]:
        for _ in range(bench.runs):
            jobs = [Job(server, exporter, [chat]) for server, exporter in zip(servers, exporters, strict=True)]
            for job, result in zip(jobs, bench.run_all(jobs), strict=True):
                if result is not None:
                    results[job.exporter.name].append(result)
    rows = []
    for what, unit, key, goals in (
        ("floods met", Unit.COUNT, _floods, ()),
        ("requests too early", Unit.COUNT, _early, (Goal(0),)),
        ("time lost", Unit.SECONDS, _lost, ()),
    ):
        rows += _rows(bench, results, what, unit, key, goals)
    return rows


def _rows(
    bench: Bench, results: dict[str, list[Result]], what: str, unit: Unit, key: Callable[[Result], float],
    goals: tuple[Goal, ...],
) -> list[Row]:
    ours, *others = results
    note = f"{PAGES[bench.scale]} pages, at most {LIMIT.rate:g} a second, {LIMIT.burst:g} at once"
    return [
        Row(what, unit, median(results[ours], key), median(results[name], key), name, () if place else goals,
            bench.skipped.get(name, note))
        for place, name in enumerate(others)
    ]


def _floods(result: Result) -> float:
    return result.traffic.floods


def _early(result: Result) -> float:
    return result.traffic.early


def _lost(result: Result) -> float:
    """Seconds beyond those that the limit imposes on as many pages."""
    return result.traffic.span - max(0.0, result.traffic.pages - LIMIT.burst) / LIMIT.rate
