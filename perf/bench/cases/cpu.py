"""CPU time of a message on the way from the socket to the disk, without latency or limit."""
from __future__ import annotations

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import TgBulk

#: Messages of the two chats; what a run costs besides its messages is the same for both, and goes out by subtraction.
SIZES = {Scale.QUICK: (2_000, 22_000), Scale.NORMAL: (20_000, 220_000), Scale.FULL: (20_000, 220_000)}
GOALS = (Goal(12), Goal(0.2, ratio=True))
#: The server must not be what is measured.
SERVER_GOAL = (Goal(0.5, ratio=True),)

Pair = tuple[Result, Result]


def run(bench: Bench) -> list[Row]:
    """Microseconds a message over all processes of a program, and of the server for a message sent to the loop."""
    small, large = (Chat(name, size) for name, size in zip(("small", "large"), SIZES[bench.scale], strict=True))
    ours: list[Pair] = []
    loops: list[Pair] = []
    programs: tuple[tuple[Exporter, list[Pair]], ...] = ((TgBulk(), ours), (Plain(), loops))
    with bench.server([small, large]) as server:
        for _ in range(bench.runs):
            for exporter, pairs in programs:
                first, second = (bench.need(Job(server, exporter, [chat])) for chat in (small, large))
                pairs.append((first, second))
    note = f"slope between {small.messages:,} and {large.messages:,} messages, user and system time of all processes"
    loop = median(loops, _client)
    return [
        Row("CPU a message", Unit.MICROSECONDS, median(ours, _client), loop, Plain().name, GOALS, note),
        Row("start-up and end, CPU", Unit.SECONDS, median(ours, _fixed), median(loops, _fixed), Plain().name),
        Row("the server's own CPU a message", Unit.MICROSECONDS, median(loops, _server), loop, Plain().name, SERVER_GOAL,
            "the simulated data centre, not an exporter; it must cost clearly less than a client that decodes"),
    ]


def _client(pair: Pair) -> float:
    small, large = pair
    return (large.usage.cpu - small.usage.cpu) / (large.messages - small.messages) * 1e6


def _fixed(pair: Pair) -> float:
    return max(0.0, pair[0].usage.cpu - _client(pair) / 1e6 * pair[0].messages)


def _server(pair: Pair) -> float:
    small, large = pair
    return (large.traffic.cpu - small.traffic.cpu) / (large.messages - small.messages) * 1e6
