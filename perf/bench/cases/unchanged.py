"""What a run over channels costs in which nothing happened, and in one of which something did."""
from __future__ import annotations

from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.cases.calls import beside, told
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit
from tgbulk.perf.bench.tgbulk import TgBulk

CHANNELS = {Scale.QUICK: 30, Scale.NORMAL: 500, Scale.FULL: 500}
MESSAGES = 20
OURS = TgBulk(by_id=True)
#: How it would be without update states: the newest messages of each channel are asked for.
EACH = "a request a channel"


def run(bench: Bench) -> list[Row]:
    """Requests beside connecting: nothing changed; one channel did; and seconds of CPU of the first of these."""
    chats = [Chat(f"quiet{number}", MESSAGES) for number in range(CHANNELS[bench.scale])]
    output = bench.folder / "kept"
    with bench.server(chats) as server:
        job = Job(server, OURS, chats, output)
        bench.need(job)
        quiet: Result = bench.need(job)
        server.change(chats[0])
        changed: Result = bench.need(job)
    count, cpu = len(chats), quiet.usage.cpu
    none = told(quiet.traffic)
    return [
        Row(f"requests, {count} unchanged channels", Unit.COUNT, beside(quiet), count, EACH, (Goal(1),), none),
        Row("requests, one of them changed", Unit.COUNT, beside(changed), count, EACH, (Goal(3),), told(changed.traffic)),
        Row(f"seconds of CPU, {count} unchanged channels", Unit.SECONDS, cpu),
    ]
