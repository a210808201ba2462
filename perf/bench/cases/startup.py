"""What a run costs that finds nothing to do: start-up, login, one question, end."""
from __future__ import annotations

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.case import Bench, Job, Result
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import TgBulk

MESSAGES = 100
GOALS = (Goal(0.35),)


def run(bench: Bench) -> list[Row]:
    """Seconds, of the CPU and by the clock, of a run over one known chat in which nothing changed."""
    chat = Chat("known", MESSAGES)
    output = bench.folder / "kept"
    ours: list[Result] = []
    loops: list[Result] = []
    with bench.server([chat]) as server:
        job = Job(server, TgBulk(by_id=True), [chat], output)
        bench.need(job)
        for _ in range(bench.runs):
            ours.append(bench.need(job))
            loops.append(bench.need(Job(server, Plain(), [chat])))
    note = f"the loop asks for the chat's {MESSAGES} messages each time"
    return [
        Row("CPU, one unchanged chat", Unit.SECONDS, median(ours, _cpu), median(loops, _cpu), Plain().name, GOALS, note),
        Row("seconds, one unchanged chat", Unit.SECONDS, median(ours, _wall), median(loops, _wall), Plain().name),
    ]


def _cpu(one: Result) -> float:
    return one.usage.cpu


def _wall(one: Result) -> float:
    return one.usage.seconds
