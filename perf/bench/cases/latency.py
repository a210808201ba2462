"""One chat behind 100 ms of latency and no limit: speed is the number of requests in flight."""
from __future__ import annotations

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.baseline.tg_chat_dump import TgChatDump
from tgbulk.perf.bench.baseline.tg_export import TgExport
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import TgBulk

#: Milliseconds.
LATENCY = 100.0
#: Messages of the chat, and of the one for tg-export, which waits a second after every page.
SIZES = {Scale.QUICK: (3_000, 200), Scale.NORMAL: (50_000, 2_000), Scale.FULL: (50_000, 2_000)}
OURS = TgBulk()
EXPORTERS: tuple[Exporter, ...] = (OURS, Plain(), TgChatDump(), TgExport())
GOAL = Goal(10, at_least=True, ratio=True)


def run(bench: Bench) -> list[Row]:
    """Messages a second from the first request for history to the end of the program."""
    size, small_size = SIZES[bench.scale]
    chat, small = Chat("chat", size), Chat("small", small_size)
    results: dict[str, list[Result]] = {}
    with bench.server([chat, small], latency=LATENCY) as server:
        for _ in range(bench.runs):
            for exporter in EXPORTERS:
                result = bench.run(Job(server, exporter, [small if exporter == TgExport() else chat]))
                if result is not None:
                    results.setdefault(exporter.name, []).append(result)
    ours = median(results[OURS.name], _rate)
    note = "start-up not counted"
    return [
        Row("one chat, 100 ms", Unit.RATE, ours, median(results.get(name, []), _rate), name, goals,
            bench.skipped.get(name, note))
        for name, goals in ((Plain().name, (GOAL,)), (TgChatDump().name, ()), (TgExport().name, ()))
    ]


def _rate(result: Result) -> float:
    # The server notes the time when it answers; the request was made one latency before.
    return result.messages / (result.usage.ended - result.traffic.first + LATENCY / 1000)
