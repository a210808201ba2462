"""How many calls an export makes, first and again."""
from __future__ import annotations

import shutil

from tgbulk.perf.bench.baseline.plain import Plain
from tgbulk.perf.bench.baseline.tg_chat_dump import TgChatDump
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.server import HISTORY, Traffic
from tgbulk.perf.bench.tgbulk import TgBulk, ranges

SIZES = {Scale.QUICK: 5_000, Scale.NORMAL: 50_000, Scale.FULL: 50_000}
IN_FLIGHT = 3
OURS = TgBulk(("--max-in-flight", str(IN_FLIGHT)))
OTHERS: tuple[Exporter, ...] = (Plain(), TgChatDump())
#: Calls beside pages and ranges that a first export may make.
EXTRA = 8
#: What Telethon calls once to connect and to see whether it is logged in.
CONNECTING = ("help.getConfig", "updates.getState", "updates.getDifference", "users.getUsers")
#: What a chat that the archive knows must not cost.
FORBIDDEN = ("contacts.resolveUsername", "messages.getDialogs", "messages.getPinnedDialogs", "messages.getPeerDialogs")
#: Calls for a chat in which nothing is new.
AGAIN = 2


def run(bench: Bench) -> list[Row]:
    """All calls of a first export, and the calls beside connecting of a second one into the same archive."""
    chat = Chat("chat", SIZES[bench.scale])
    first: list[Result] = []
    second: list[Result] = []
    results: dict[str, list[Result]] = {}
    walked = IN_FLIGHT
    output = bench.folder / "kept"
    with bench.server([chat]) as server:
        for _ in range(bench.runs):
            for runs in (first, second):
                runs.append(bench.need(Job(server, OURS, [chat], output)))
                if runs is first:
                    walked = ranges(output, IN_FLIGHT)
            shutil.rmtree(output)
            for exporter in OTHERS:
                if (result := bench.run(Job(server, exporter, [chat]))) is not None:
                    results.setdefault(exporter.name, []).append(result)
    formula = f"goal: {chat.messages // 100:,} pages + {walked} ranges + {EXTRA}"
    goal = Goal(chat.messages // 100 + walked + EXTRA)
    rows = [
        Row(f"calls for {chat.messages:,} messages", Unit.COUNT, median(first, _calls),
            median(results.get(name, []), _calls), name, goals, bench.skipped.get(name, formula))
        for name, goals in ((Plain().name, (goal,)), (TgChatDump().name, ()))
    ]
    rows.append(Row("calls, the same again", Unit.COUNT, median(second, beside), goals=(Goal(AGAIN),),
                    note=f"beside connecting: {told(second[-1].traffic)}"))
    rows.append(Row("of them resolve or dialogs", Unit.COUNT, median(second, _forbidden), goals=(Goal(0),)))
    return rows


def _calls(result: Result) -> float:
    return sum(result.traffic.calls.values())


def beside(result: Result) -> float:
    """Calls beside those with which Telethon connects."""
    return sum(_rest(result.traffic).values())


def _forbidden(result: Result) -> float:
    return sum(result.traffic.calls.get(method, 0) for method in FORBIDDEN)


def _rest(traffic: Traffic) -> dict[str, int]:
    rest = {method: calls - (method in CONNECTING) for method, calls in traffic.calls.items()}
    return {method: calls for method, calls in rest.items() if calls}


def told(traffic: Traffic) -> str:
    """The same by method, for people."""
    return ", ".join(f"{calls} {method}" for method, calls in sorted(_rest(traffic).items())) or f"no {HISTORY}, nothing"
