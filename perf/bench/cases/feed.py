"""Many small chats in one run, to which they are named while it goes on, against a run for each."""
from __future__ import annotations

from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import Naming, TgBulk

CHATS = {Scale.QUICK: 18, Scale.NORMAL: 54, Scale.FULL: 54}
MESSAGES = 40
GOALS = (Goal(8),)
FEED = TgBulk(by_id=True, naming=Naming.FEED)
EACH = TgBulk(by_id=True, naming=Naming.EACH)


def run(bench: Bench) -> list[Row]:
    """Seconds, of the CPU and by the clock, of first exports into one archive."""
    chats = [Chat(f"small{number}", MESSAGES) for number in range(CHATS[bench.scale])]
    fed: list[Result] = []
    each: list[Result] = []
    with bench.server(chats) as server:
        for _ in range(bench.runs):
            fed.append(bench.need(Job(server, FEED, chats)))
            each.append(bench.need(Job(server, EACH, chats)))
    against = f"{len(chats)} runs"
    return [
        Row(f"CPU, {len(chats)} chats by --feed", Unit.SECONDS, median(fed, _cpu), median(each, _cpu), against, GOALS),
        Row("seconds of the same", Unit.SECONDS, median(fed, _wall), median(each, _wall), against),
    ]


def _cpu(one: Result) -> float:
    return one.usage.cpu


def _wall(one: Result) -> float:
    return one.usage.seconds
