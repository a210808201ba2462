"""Many accounts in one run, each at its own limit: what they reach together, and what a second run of them meets."""
from __future__ import annotations

from dataclasses import dataclass

from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.server import Limit, Server
from tgbulk.perf.bench.tgbulk import TgBulk

#: Pages a second of an account in a takeout, and what it may ask at once (docs/spec/history-fetching.md 5).
LIMIT = Limit(10, 25)
#: Milliseconds.
LATENCY = 100.0
#: Accounts of a run, pages for each, and those of the second run.
NUMBERS = {Scale.QUICK: (1, 5), Scale.NORMAL: (1, 5, 20, 50), Scale.FULL: (1, 5, 20, 50)}
PAGES = {Scale.QUICK: 120, Scale.NORMAL: 1_000, Scale.FULL: 2_000}
AGAIN = {Scale.QUICK: 2, Scale.NORMAL: 20, Scale.FULL: 20}
#: Public chats that all of them may read.
CHATS = 10
MEGABYTE = 1_000_000
SHARE = Goal(0.97, at_least=True)
FLOODS = Goal(1 / 200)
MEMORY = Goal(250)


@dataclass(frozen=True, slots=True)
class Party:
    """So many accounts, and what they have to do."""

    number: int
    pages: int

    @property
    def chats(self) -> list[Chat]:
        """As much for each account, whatever their number."""
        return [Chat(f"chat{place}", self.number * self.pages * 100 // CHATS) for place in range(CHATS)]

    def share(self, result: Result) -> float:
        """Pages of what the limits allowed from the first to the last of them."""
        return result.traffic.pages / (self.number * (LIMIT.rate * result.traffic.span + LIMIT.burst))

    def note(self, results: list[Result]) -> str:
        """What the share does not tell: which of the two was short of CPU."""
        own = median(results, lambda result: result.usage.cpu / result.usage.seconds) or 0
        server = median(results, lambda result: result.traffic.cpu / result.usage.seconds) or 0
        whole = median(results, lambda result: self._share_of_run(result)) or 0
        return (
            f"{self.number} accounts: {Unit.SHARE.write(whole)} with start-up and end; cores: tgbulk {own:.2f}, "
            f"simulated data centre {server:.2f}"
        )

    def _share_of_run(self, result: Result) -> float:
        return result.traffic.pages / (self.number * (LIMIT.rate * result.usage.seconds + LIMIT.burst))


def run(bench: Bench) -> list[Row]:
    """Share of the joint ceiling, floods, CPU and memory, for each number of accounts; nothing is known of earlier runs."""
    rows = []
    for number in NUMBERS[bench.scale]:
        party = Party(number, PAGES[bench.scale])
        with _server(bench, party) as server:
            exporter = TgBulk(accounts=number)
            results = [bench.need(Job(server, exporter, party.chats), watch_memory=True) for _ in range(bench.runs)]
        what = f"{number} accounts"
        rows += [
            Row(f"share of the joint ceiling, {what}", Unit.SHARE, median(results, party.share), goals=(SHARE,),
                note=party.note(results)),
            Row(f"floods a request, {what}", Unit.SHARE, median(results, _floods), goals=(FLOODS,)),
            Row(f"CPU a message, {what}", Unit.MICROSECONDS, median(results, _cpu)),
            Row(f"PSS, {what}", Unit.MEGABYTES, median(results, _peak), goals=(MEMORY,)),
        ]
    return rows


def run_again(bench: Bench) -> list[Row]:
    """The same accounts once more, into another archive: they begin at the pace that the first run learnt."""
    party = Party(AGAIN[bench.scale], PAGES[bench.scale])
    with _server(bench, party) as server:
        first = bench.need(Job(server, TgBulk(accounts=party.number), party.chats))
        warm = TgBulk(accounts=party.number, warm=True)
        results = [bench.need(Job(server, warm, party.chats)) for _ in range(bench.runs)]
    what = f"{party.number} accounts again"
    return [
        Row(f"floods, {what}", Unit.COUNT, median(results, lambda result: result.traffic.floods + result.traffic.early),
            first.traffic.floods + first.traffic.early, "the first run", (Goal(0),)),
        Row(f"share of the joint ceiling, {what}", Unit.SHARE, median(results, party.share), party.share(first),
            "the first run", (SHARE,), party.note(results)),
    ]


def _server(bench: Bench, party: Party) -> Server:
    return bench.server(party.chats, latency=LATENCY, limit=LIMIT, accounts=party.number)


def _floods(result: Result) -> float:
    return result.traffic.flood_share


def _cpu(result: Result) -> float:
    return result.usage.cpu / result.messages * 1e6


def _peak(result: Result) -> float:
    return result.usage.pss / MEGABYTE
