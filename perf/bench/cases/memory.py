"""Memory of all processes at their highest, in chats of very different sizes."""
from __future__ import annotations

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.baseline.tg_chat_dump import TgChatDump
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.tgbulk import TgBulk

SIZES = {
    Scale.QUICK: (10_000, 60_000),
    Scale.NORMAL: (10_000, 1_000_000),
    Scale.FULL: (10_000, 1_000_000, 10_000_000),
}
OTHERS: tuple[Exporter, ...] = (Plain(), TgChatDump())
#: Chats of at least so many messages are exported once only.
ONCE = 10_000_000
MEGABYTE = 1_000_000
GOAL = Goal(250)
#: What still counts as flat, against the smallest chat.
FLAT = Goal(1.2, ratio=True)


def run(bench: Bench) -> list[Row]:
    """The highest sum of proportional set sizes, sampled ten times a second."""
    chats = [Chat(f"chat{number}", size) for number, size in enumerate(SIZES[bench.scale])]
    ours: dict[int, list[Result]] = {chat.messages: [] for chat in chats}
    others: dict[str, list[Result]] = {}
    with bench.server(chats) as server:
        for turn in range(bench.runs):
            for chat in chats:
                if chat.messages < ONCE or turn == 0:
                    ours[chat.messages].append(bench.need(Job(server, TgBulk(), [chat]), watch_memory=True))
            for exporter in OTHERS:
                if (result := bench.run(Job(server, exporter, [chats[0]]), watch_memory=True)) is not None:
                    others.setdefault(exporter.name, []).append(result)
    smallest = chats[0].messages
    first = median(ours[smallest], _peak)
    rows = [
        Row(f"PSS at {smallest:,} messages", Unit.MEGABYTES, first, median(others.get(name, []), _peak), name, goals,
            bench.skipped.get(name, ""))
        for name, goals in ((Plain().name, (GOAL,)), (TgChatDump().name, ()))
    ]
    rows += [
        Row(f"PSS at {chat.messages:,} messages", Unit.MEGABYTES, median(ours[chat.messages], _peak), first,
            f"tgbulk, {smallest:,}", (GOAL, FLAT))
        for chat in chats[1:]
    ]
    return rows


def _peak(result: Result) -> float:
    return result.usage.pss / MEGABYTE
