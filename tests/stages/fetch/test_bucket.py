"""Admission in virtual time, against a server that counts as Telegram does."""
from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from support.limited import LATENCY, FloodWait, Server
from support.virtual import virtually
from tgbulk.stages.fetch import bucket as bucket_module
from tgbulk.stages.fetch.allowance import Allowance
from tgbulk.stages.fetch.bucket import Bucket
from tgbulk.stages.fetch.shared_pace import Pace, Shared

REQUESTS = 2000


class Client:
    """So many lanes, each with one request after the other, as stages/fetch/lane.py has them."""

    def __init__(self, server: Server, bucket: Bucket) -> None:
        self._server, self._bucket = server, bucket
        #: when each request was sent, and until when the client knew at that time that it had to wait
        self.sent: list[tuple[float, float]] = []
        self._known_wait = 0.0
        self.left = 0

    @property
    def early(self) -> int:
        """Requests sent before a wait was over of which the client knew."""
        return sum(now < known for now, known in self.sent)

    @property
    def waits(self) -> list[float]:
        """The ends of the waits, as the client knew them when it asked again."""
        return sorted({known for _, known in self.sent if known})

    async def run(self, requests: int, lanes: int = 19) -> None:
        self.left = requests
        await asyncio.gather(*[self._lane() for _ in range(lanes)])

    async def _lane(self) -> None:
        loop = asyncio.get_running_loop()
        while self.left > 0:
            self.left -= 1
            while True:
                await self._bucket.enter()
                self.sent.append((loop.time(), self._known_wait))
                try:
                    await self._server.call()
                except FloodWait as wait:
                    self._known_wait = max(self._known_wait, loop.time() + wait.seconds)
                    self._bucket.flooded(wait.seconds)
                else:
                    self._bucket.succeeded()
                    break


def export(server: Server, requests: int = REQUESTS, most: int = 16, rate: float | None = None) -> tuple[Client, Bucket]:
    async def main() -> tuple[Client, Bucket]:
        bucket = Bucket(most, rate)
        client = Client(server, bucket)
        await client.run(requests)
        return client, bucket

    found: tuple[Client, Bucket] = virtually(main())
    return found


@pytest.fixture(autouse=True)
def _same_luck() -> None:
    random.seed(1)


@pytest.mark.parametrize(("jitter", "luck"), [(0.0, 1), (0.0, 2), (0.03, 3), (0.05, 4)])
def test_a_limited_server_is_used_to_its_limit(jitter: float, luck: int) -> None:
    """99 % of what it allows, a flood wait on fewer than one request in 200, and none asked within a wait."""
    random.seed(luck)
    server = Server(10, 25, jitter, luck)
    client, _ = export(server)
    assert server.served == REQUESTS
    assert server.calls - server.served < REQUESTS / 200
    assert server.floods <= 4
    assert (REQUESTS - server.burst) / 10 / server.seconds >= 0.99
    assert client.early == 0
    assert server.most_flying <= 16


@pytest.mark.parametrize(
    ("rate", "burst", "share", "floods"),
    [
        (1, 3, 0.99, 13),
        (1, 30, 0.99, 13),
        (5, 3, 0.92, 11),
        (5, 10, 0.99, 10),
        (5, 30, 0.99, 10),
        (10, 3, 0.92, 10),
        (10, 10, 0.98, 10),
        (10, 25, 0.99, 10),
        (10, 30, 0.99, 10),
        (30, 10, 0.84, 28),
        (30, 30, 0.95, 38),
    ],
)
def test_jitter_and_small_allowances(rate: float, burst: float, share: float, floods: int) -> None:
    """Latencies of up to 100 ms more or less: the share that is reached, and fewer flood waits than that.

    A wait lasts a second at least, in which what does not fit into the allowance is lost, and two waits pass before there is
    anything to learn from: 99 % of 2,000 requests are out of reach where the allowance is far below the rate.
    """
    for jitter in (0.0, 0.03, 0.06, 0.1):
        server = Server(rate, burst, jitter, there=LATENCY)
        client, _ = export(server)
        assert server.served == REQUESTS
        assert server.share >= share, jitter
        assert server.calls - server.served < floods, jitter
        assert client.early == 0


@pytest.mark.parametrize(("rate", "jitter"), [(1, 0.0), (5, 0.0), (10, 0.0), (1, 0.06), (5, 0.03), (10, 0.03), (10, 0.06)])
def test_without_an_allowance(rate: float, jitter: float) -> None:
    """Two requests may not come closer than 1 / rate: those sent 1 / rate + 2 * jitter apart never do, and no others."""
    server = Server(rate, 1, jitter, there=LATENCY)
    client, _ = export(server)
    assert server.share >= 0.75 / (1 + 2 * jitter * rate)
    assert server.calls - server.served < REQUESTS / 100
    assert client.early == 0


@pytest.mark.parametrize(("left", "floods"), [(8, 14), (0, 40)])
def test_an_allowance_that_somebody_else_has_used(left: float, floods: int) -> None:
    """As after a run that ended a moment ago: the allowance seems smaller than it is."""
    server = Server(10, 25, there=LATENCY)
    server.drain(left)
    client, _ = export(server)
    assert server.calls - server.served < floods
    assert server.share >= 0.98
    assert client.early == 0


def test_answers_in_a_bunch_do_not_make_it_faster() -> None:
    """They come late and all at once where the event loop was held up; the next flood wait slows down all the same."""

    async def main() -> None:
        bucket = Bucket(16)
        for served in (30, 30):
            for _ in range(served):
                await bucket.enter()
                await asyncio.sleep(0.01)
                bucket.succeeded()
            await bucket.enter()
            bucket.flooded(1)
        pace = bucket.rate
        assert pace is not None
        bucket.window = 16.0
        for _ in range(10):
            await bucket.enter()
        for _ in range(9):
            bucket.succeeded()
        bucket.flooded(1)
        assert bucket.rate is not None
        assert bucket.rate < pace

    virtually(main())


@pytest.mark.parametrize(("rate", "burst"), [(10, 1), (1, 5), (3, 25), (25, 40)])
def test_servers_of_other_kinds(rate: float, burst: float) -> None:
    """Shorter runs, or less to learn from: still few flood waits and most of what is allowed."""
    server = Server(rate, burst)
    client, _ = export(server)
    assert server.served == REQUESTS
    assert server.calls - server.served < REQUESTS / 66
    assert (REQUESTS - burst) / rate / server.seconds >= 0.9
    assert client.early == 0


def test_an_unlimited_server_is_used_by_all_that_may_be_in_flight() -> None:
    server = Server(None)
    _, bucket = export(server, 3000, most=16)
    assert server.most_flying == 16
    assert bucket.floods == 0
    assert server.seconds < 1.15 * 3000 / 16 * LATENCY
    first = Server(None)
    export(first, 40)
    assert first.most_flying == bucket_module.START


@pytest.mark.parametrize("delay", [0.0, 1000.0])
def test_gentle(delay: float) -> None:
    """One request at a time, one a second at most: from the first one on, after idle time, and for ever."""

    async def main() -> tuple[Client, Bucket]:
        await asyncio.sleep(delay)
        bucket = Bucket(1, 1.0)
        client = Client(server, bucket)
        await client.run(20)
        await asyncio.sleep(delay)
        await client.run(3000)
        return client, bucket

    server = Server(None)
    client, bucket = virtually(main())
    times = [now for now, _ in client.sent]
    assert all(later - earlier > 0.99 for earlier, later in pairwise(times))
    assert times[-1] - times[0] - delay < 3020 * 1.01
    assert (server.most_flying, bucket.floods, bucket.rate) == (1, 0, 1.0)


def test_nobody_comes_back_in_a_herd() -> None:
    """After a wait the requests leave one by one, spaced by the rate."""
    server = Server(10, 25)
    client, bucket = export(server)
    for wait in client.waits:
        after = sorted(now for now, _ in client.sent if now >= wait)[:16]
        assert after[0] - wait < 2
        gaps = [later - earlier for earlier, later in pairwise(after)]
        assert sum(gap < 0.02 for gap in gaps) <= 3
    assert bucket.floods == len(client.waits) > 0


def test_answers_to_what_was_under_way_are_one_flood_wait() -> None:
    async def main() -> None:
        bucket = Bucket(8)
        bucket.window = 8.0
        for _ in range(8):
            await bucket.enter()
        for seconds in (7, 7, 6, 3):
            bucket.flooded(seconds)
        assert (bucket.floods, bucket.window, bucket.flying) == (1, 4.0, 4)
        began = asyncio.get_running_loop().time()
        for _ in range(4):
            bucket.succeeded()
        await bucket.enter()
        assert 7 <= asyncio.get_running_loop().time() - began <= 7 + bucket_module.SLACK * 8

    virtually(main())


def test_whoever_gives_up_blocks_nobody() -> None:
    async def main() -> None:
        bucket = Bucket(1)
        await bucket.enter()
        impatient = asyncio.create_task(bucket.enter())
        patient = asyncio.create_task(bucket.enter())
        await asyncio.sleep(1)
        impatient.cancel()
        await asyncio.sleep(1)
        assert not patient.done()
        bucket.cancel()
        await patient
        assert bucket.flying == 1

    virtually(main())


def test_the_first_calls_of_an_allowance_do_not_wait() -> None:
    told: list[int] = []

    async def main() -> list[float]:
        sent: list[float] = []
        allowance, clock = Allowance(3, 1 / 6, 10, lambda: told.append(len(sent))), asyncio.get_running_loop().time
        began = clock()
        for _ in range(13):
            await allowance.enter()
            sent.append(clock() - began)
            allowance.succeeded()
        return sent

    assert virtually(main()) == pytest.approx([0.0] * 10 + [6.0, 12.0, 18.0])
    assert told == [10]


def test_a_limit_that_falls_is_learnt_again() -> None:
    async def main() -> None:
        bucket, server = Bucket(16), Server(20, 25)
        client = Client(server, bucket)
        await client.run(1000)
        server.rate = 2
        before = server.calls
        await client.run(500)
        assert server.calls - before - 500 <= 12
        assert client.early == 0

    virtually(main())


def again(pace: Pace, idle: float, server: Server, requests: int = REQUESTS) -> tuple[Client, Bucket]:
    async def main() -> tuple[Client, Bucket]:
        bucket = Bucket(16)
        bucket.remember(pace, idle)
        client = Client(server, bucket)
        await client.run(requests)
        return client, bucket

    found: tuple[Client, Bucket] = virtually(main())
    return found


def learn(rate: float, burst: float, requests: int) -> Pace:
    async def main() -> Pace:
        bucket = Bucket(16)
        await Client(Server(rate, burst), bucket).run(requests)
        pace = bucket.learnt()
        assert pace is not None
        return pace

    found: Pace = virtually(main())
    return found


@pytest.mark.parametrize(("rate", "burst", "floods"), [(10, 25, 0), (1, 25, 0), (30, 30, 1), (10, 10, 0), (5, 40, 0)])
@pytest.mark.parametrize("requests", [300, 500, REQUESTS])
def test_a_second_run_meets_no_flood(rate: float, burst: float, floods: int, requests: int) -> None:
    """Of the same length, the allowance full or used up: it begins at the pace that the first one learnt. One, where the
    allowance is less than what the answers on their way use up."""
    for luck in range(3):
        random.seed(luck)
        pace = learn(rate, burst, requests)
        assert pace.rate <= (1.03 if requests == REQUESTS else 1.1) * rate
        for idle in (0.0, 1000.0):
            server = Server(rate, burst)
            if not idle:
                server.drain(2.0)
            client, _ = again(pace, idle, server, requests)
            assert client.early == 0
            assert server.floods <= floods, (luck, idle, pace)
            least = 0.96 if requests == REQUESTS and idle else 0.85 if requests > 300 else 0.7
            assert server.share >= least, (luck, idle, pace)


def test_a_limit_that_changed_is_noticed_both_ways() -> None:
    pace = learn(10, 25, REQUESTS)
    lower = Server(4, 25)
    client, bucket = again(pace, 1000.0, lower)
    assert lower.calls - lower.served < 20
    assert lower.share >= 0.95
    assert bucket.rate == pytest.approx(4, rel=0.1)
    higher = Server(20, 25)
    client, bucket = again(pace, 1000.0, higher, 12_000)
    assert client.early == 0
    assert bucket.rate is not None
    assert bucket.rate > 18


def test_a_rate_that_somebody_set_teaches_nothing() -> None:
    async def main() -> None:
        bucket = Bucket(16, 2.0)
        await bucket.enter()
        bucket.flooded(3)
        assert bucket.learnt() is None
        assert Bucket(16).learnt() is None

    virtually(main())


@pytest.mark.parametrize("seconds", [0, 1])
def test_flood_waits_without_end_become_longer(seconds: int) -> None:
    """FLOOD_WAIT_0 for ever is no reason to ask for ever: each pause is twice the last, and their sum is known."""

    async def main() -> None:
        bucket = Bucket(3)
        began = asyncio.get_running_loop().time()
        asked = 0
        while bucket.fruitless_seconds < 900:
            await bucket.enter()
            asked += 1
            bucket.flooded(seconds)
        assert asked < 25
        await bucket.enter()
        assert asyncio.get_running_loop().time() - began > 900
        bucket.succeeded()
        assert bucket.fruitless_seconds == 0

    virtually(main())


def test_in_flight_is_what_the_pace_and_the_answer_time_ask_for() -> None:
    """Little's law: a server that serves three at a time is not asked for sixteen; one that serves all at once is."""

    class Serving(Server):
        def __init__(self, at_once: int) -> None:
            super().__init__(None)
            self.places = asyncio.Semaphore(at_once)

        async def call(self) -> None:
            async with self.places:
                await super().call()

    async def main(at_once: int) -> float:
        bucket, server = Bucket(40), Serving(at_once)
        most = 0.0

        async def lane() -> None:
            nonlocal most
            loop = asyncio.get_running_loop()
            for _ in range(40):
                await bucket.enter()
                began = loop.time()
                await server.call()
                bucket.succeeded(loop.time() - began)
                most = max(most, bucket.window)

        await asyncio.gather(*[lane() for _ in range(43)])
        return most

    assert virtually(main(3)) <= 16
    assert virtually(main(100)) == 40

    async def paced() -> None:
        bucket = Bucket(40)
        bucket.remember(Pace(10.0, 0.0, 3, 0), 0.0)
        for seconds in (0.1, 2.0):
            for _ in range(400):
                await bucket.enter()
                bucket.succeeded(seconds)
            assert bucket.window == pytest.approx(bucket_module.START + 2 * 10 * seconds, rel=0.2) or bucket.window == 40

    virtually(paced())


def test_a_rate_that_one_flood_wait_taught_is_outgrown() -> None:
    """A short run of a busy machine shows far less than what is allowed: the next one finds out."""
    server = Server(10, 25)
    client, _ = again(Pace(4.0, bucket_module.GUESSED_ALLOWANCE, 0, 60), 1000.0, server)
    assert client.early == 0
    assert server.calls - server.served < REQUESTS / 100
    assert server.share > 0.8


def test_who_had_nothing_to_ask_takes_nobody_s_turn() -> None:
    """A lane is admitted before it knows whether there is a job."""
    async def main() -> list[float]:
        bucket, sent = Bucket(16, 10), list[float]()
        for number in range(9):
            await bucket.enter()
            if number % 3:
                bucket.give_back()
            else:
                sent.append(asyncio.get_running_loop().time())
                bucket.succeeded()
        assert not bucket.flying
        return [one - sent[0] for one in sent]

    assert virtually(main()) == pytest.approx([0, 0.1, 0.2])


def test_time_in_which_there_was_nothing_to_ask_for_teaches_nothing() -> None:
    """A lane enters before it has a job, and may wait long for the first one."""
    async def main() -> float:
        server, bucket = Server(10, 25), Bucket(16)
        await bucket.enter()
        await asyncio.sleep(20)
        bucket.cancel()
        await Client(server, bucket).run(REQUESTS)
        return server.share

    assert virtually(main()) >= 0.99


def together(rates: list[float], requests: int) -> tuple[list[Server], list[Bucket], float]:
    """Accounts with limits of their own, each with so many requests to make; and the seconds of the slowest."""
    servers = [Server(rate, 25, 0.03, luck) for luck, rate in enumerate(rates)]

    async def main() -> tuple[list[Bucket], float]:
        shared = Shared()
        buckets = [Bucket(16, shared=shared) for _ in servers]
        clients = [Client(server, bucket) for server, bucket in zip(servers, buckets, strict=True)]
        await asyncio.gather(*[client.run(requests) for client in clients])
        return buckets, asyncio.get_running_loop().time()

    buckets, seconds = virtually(main())
    return servers, buckets, seconds


@pytest.mark.parametrize("number", [5, 20, 50])
def test_accounts_with_one_limit_learn_it_from_each_other(number: int) -> None:
    servers, buckets, _ = together([10] * number, REQUESTS // 2)
    calls = sum(server.calls for server in servers)
    assert calls - sum(server.served for server in servers) < calls / 200
    assert min(server.share for server in servers) >= 0.97
    assert sum(bucket.floods for bucket in buckets) < 2 * number
    for pace in [bucket.learnt() for bucket in buckets]:
        assert pace is not None
        assert pace.rate == pytest.approx(10, rel=0.05)
        server = Server(10, 25)
        server.drain(2.0)
        again(pace, 0.0, server, REQUESTS // 2)
        assert server.floods == 0


def test_where_the_account_that_finds_out_is_gone_another_one_does() -> None:
    async def main() -> list[Bucket]:
        shared = Shared()
        buckets = [Bucket(16, shared=shared) for _ in range(4)]
        clients = [Client(Server(10, 25, 0.03, luck), bucket) for luck, bucket in enumerate(buckets)]
        await asyncio.gather(*[client.run(60) for client in clients])
        found = [bucket for bucket in buckets if shared.leads(bucket)]
        assert len(found) == 1
        assert shared.is_awaited(found[0])
        assert shared.pace is None
        found[0].shut(Exception())
        left = [client for client, bucket in zip(clients, buckets, strict=True) if bucket is not found[0]]
        await asyncio.gather(*[client.run(600) for client in left])
        assert shared.pace is not None
        return [bucket for bucket in buckets if bucket is not found[0]]

    assert all(bucket.rate == pytest.approx(10, rel=0.1) for bucket in virtually(main()))


@pytest.mark.parametrize(
    "rates", [[4, *[10] * 9], [10, *[4] * 9], [25, *[10] * 9], [10, *[25] * 9], [4, 10] * 5, [1, 30] * 5]
)
def test_accounts_with_other_limits_find_their_own(rates: list[float]) -> None:
    """Nearly as fast as each would alone, with one flood wait more at most."""
    servers, buckets, _ = together(rates, REQUESTS // 2)
    for rate, server, bucket in zip(rates, servers, buckets, strict=True):
        other = Server(rate, 25, 0.03)
        _, alone = export(other, REQUESTS // 2)
        assert server.share >= other.share - 0.08
        assert bucket.floods <= alone.floods + 1
