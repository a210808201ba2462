"""What a limited server would give, and how much of it an exporter takes."""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tgbulk.perf.bench.baseline.tg_chat_dump import TgChatDump
from tgbulk.perf.bench.case import Bench, Job, Result, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import Exporter
from tgbulk.perf.bench.row import Goal, Row, Unit, median
from tgbulk.perf.bench.server import Limit, Server
from tgbulk.perf.bench.tgbulk import TgBulk

#: Pages a second of an account in a takeout, and what it may ask at once (docs/spec/history-fetching.md 5).
LIMIT = Limit(10, 25)
#: Milliseconds.
LATENCY = 100.0
PAGES = {Scale.QUICK: 100, Scale.NORMAL: 2_000, Scale.FULL: 2_000}
MANY_CHATS = 50
MANY_ACCOUNTS = 3
SHARE = Goal(0.99, at_least=True)
FLOODS = Goal(1 / 200)


@dataclass(slots=True)
class Variant:
    """One program at the ceiling, with a server of its own."""

    what: str
    exporter: Exporter
    chats: Sequence[Chat]
    accounts: int = 1
    results: list[Result] = field(default_factory=list)
    #: why there are no results
    problem: str = ""

    def share(self, result: Result) -> float:
        """Pages of what the server's limit allowed from the first to the last of them."""
        return result.traffic.pages / (self.accounts * (LIMIT.rate * result.traffic.span + LIMIT.burst))

    @property
    def note(self) -> str:
        """What the share does not tell."""
        if not self.results:
            return self.problem
        pages = median(self.results, lambda result: result.traffic.pages) or 0
        needed = sum(-(-chat.messages // 100) for chat in self.chats)
        whole = Unit.SHARE.write(median(self.results, self._share_of_run) or 0)
        return f"{self.what}: {pages:,.0f} pages answered, {needed:,} needed; {whole} with start-up and end"

    def _share_of_run(self, result: Result) -> float:
        return result.traffic.pages / (self.accounts * (LIMIT.rate * result.usage.seconds + LIMIT.burst))


def run(bench: Bench) -> list[Row]:
    """Share of the ceiling and floods. The server limits, nobody is short of CPU: so all variants run side by side."""
    pages = PAGES[bench.scale]
    one = [Chat("chat", pages * 100)]
    many = [Chat(f"chat{number}", pages * 100 // MANY_CHATS) for number in range(MANY_CHATS)]
    single = Variant("one chat", TgBulk(), one)
    large = [Chat("large", MANY_ACCOUNTS * pages * 100)]
    shared = Variant(f"{MANY_ACCOUNTS} accounts", TgBulk(accounts=MANY_ACCOUNTS), large, MANY_ACCOUNTS)
    peer = Variant("one chat", TgChatDump(), one)
    variants = [single, Variant(f"{MANY_CHATS} chats", TgBulk(), many), shared, peer]
    with ExitStack() as stack:
        servers = [stack.enter_context(_server(bench, variant)) for variant in variants]
        for _ in range(bench.runs):
            _round(bench, variants, servers)
    peer.problem = bench.skipped.get(peer.exporter.name, "")
    return [row for variant in variants[:-1] for row in _rows(variant, peer)]


def _server(bench: Bench, variant: Variant) -> Server:
    return bench.server(variant.chats, latency=LATENCY, limit=LIMIT, accounts=variant.accounts)


def _round(bench: Bench, variants: Sequence[Variant], servers: Sequence[Server]) -> None:
    chosen = [(variant, server) for variant, server in zip(variants, servers, strict=True) if not variant.problem]
    results = bench.run_all([Job(server, variant.exporter, variant.chats) for variant, server in chosen])
    for (variant, _), result in zip(chosen, results, strict=True):
        if result is None:
            continue
        if result.traffic.accounts < variant.accounts:
            variant.problem = f"the exporter used {result.traffic.accounts} of {variant.accounts} accounts"
        else:
            variant.results.append(result)


def _rows(variant: Variant, peer: Variant) -> list[Row]:
    results = variant.results
    compared = variant.what == peer.what
    against = peer.exporter.name if compared else ""
    other = peer.results if compared else []
    early = sum(result.traffic.early for result in results)
    return [
        Row(f"share of the ceiling, {variant.what}", Unit.SHARE, median(results, variant.share),
            median(other, peer.share), against, (SHARE,), variant.note),
        Row(f"floods a request, {variant.what}", Unit.SHARE, median(results, _floods), median(other, _floods), against,
            (FLOODS,), variant.problem or (peer.problem if compared else "")),
        Row(f"requests too early, {variant.what}", Unit.COUNT, early if results else None,
            sum(result.traffic.early for result in other) if other else None, against, (Goal(0),), variant.problem),
    ]


def _floods(result: Result) -> float:
    return result.traffic.flood_share
