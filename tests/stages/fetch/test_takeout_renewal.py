"""What is kept of a takeout, and how it is asked in; one that ends in mid-run, and one that cannot be ended."""
from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.error import FloodParkedError, TakeoutDelayedError
from tgbulk.stages.fetch.history import METHOD, RawHistory, newest
from tgbulk.stages.fetch.main import finish_takeouts
from tgbulk.stages.fetch.sender import NoAnswer
from tgbulk.stages.fetch.takeout import LARGEST_FILE, Takeout, message_range, refused
from tgbulk.stages.protocol.event import Notice, TakeoutState

ACCESS: Any = SimpleNamespace(server_name="Telegram", account="main")
RANGE = types.MessageRange(1, 100)
DELAYED = errors.TakeoutInitDelayError(None, 3600)
FLOOD = errors.FloodWaitError(None, 7)


class Server:
    """Telegram for one account that reads in a takeout; `refusal` answers what begins or ends one."""

    def __init__(self, required: bool) -> None:
        self.valid: set[int] = set()
        self.refusal: Exception | None = None
        self.calls: Counter[str] = Counter()
        self.told: list[Any] = []
        #: the takeout's id at each time that the session was saved
        self.saved: list[int | None] = []
        self.sent: list[Any] = []
        self.session: Any = SimpleNamespace(takeout_id=None, save=self.save)
        client: Any = SimpleNamespace(_sender=self, session=self.session)
        self.takeout = Takeout(client, ACCESS, self.told.append, required)
        self.next = Takeout(client, ACCESS, self.told.append, required, with_files=True)
        self.caller = Caller(client, ACCESS, lambda *_: None)

    def save(self) -> None:
        self.saved.append(self.session.takeout_id)

    async def send(self, request: Any) -> Any:
        await asyncio.sleep(0)
        self.sent.append(request)
        if isinstance(request, functions.account.InitTakeoutSessionRequest):
            self.calls["init"] += 1
            if self.refusal:
                raise self.refusal
            self.valid = {self.calls["init"]}
            return types.account.Takeout(self.calls["init"])
        if not isinstance(request, functions.InvokeWithTakeoutRequest):
            self.calls["plain"] += 1
            return b"page"
        if request.takeout_id not in self.valid:
            raise errors.TakeoutInvalidError(request)
        if isinstance(request.query, functions.account.FinishTakeoutSessionRequest):
            if self.refusal:
                raise self.refusal
            self.valid = set()
        self.calls["wrapped"] += 1
        return [RANGE] if isinstance(request.query, functions.messages.GetSplitRangesRequest) else b"page"

    async def begin(self) -> None:
        await self.takeout.request()
        self.caller.takeout = self.takeout

    async def page(self) -> Any:
        request = newest(types.InputPeerSelf())
        request.message_range = RANGE
        return await self.caller.call(request)

    @property
    def states(self) -> list[str]:
        return [frame.state for frame in self.told if isinstance(frame, TakeoutState)]

    @property
    def notices(self) -> list[str]:
        return [frame.text for frame in self.told if isinstance(frame, Notice)]


@pytest.mark.parametrize("refusal", [DELAYED, FLOOD])
def test_try_goes_on_without(refusal: Exception) -> None:
    async def main() -> None:
        server = Server(required=False)
        await server.begin()
        ranges = server.takeout.ranges
        assert (await server.page(), ranges) == (b"page", [RANGE])
        server.valid, server.refusal = set(), refusal
        assert await asyncio.gather(*(server.page() for _ in range(3))) == [b"page"] * 3
        assert server.calls == {"init": 2, "wrapped": 2, "plain": 3}
        assert (ranges, len(server.notices), server.caller.bucket(METHOD).floods) == ([], 1, 0)
        assert server.states[:4] == ["requested", "granted", "expired", "requested"]
        assert (server.takeout.id, server.session.takeout_id) == (None, None)
        await server.takeout.finish()

    asyncio.run(main())


@pytest.mark.parametrize(("refusal", "error"), [(DELAYED, TakeoutDelayedError), (FLOOD, FloodParkedError)])
def test_yes_says_why_there_is_none(refusal: Exception, error: type[Exception]) -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        server.valid, server.refusal = set(), refusal
        for _ in range(2):
            with pytest.raises(error):
                await server.page()
        assert (server.notices, server.calls["plain"], server.caller.bucket(METHOD).flying) == ([], 0, 0)
        server.refusal = None
        assert await server.page() == b"page"

    asyncio.run(main())


def test_that_it_cannot_be_ended_is_told() -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        server.refusal = FLOOD
        await server.takeout.finish()
        assert server.notices[0].endswith("the takeout of account main stays open, and the next run takes it up")
        assert (server.saved, server.states) == ([1], ["requested", "granted"])
        assert [frame.until for frame in server.told if isinstance(frame, TakeoutState)] == [0, 0]
        server.refusal = None
        await server.next.request()
        assert (server.calls["init"], server.next.id, server.next.ranges) == (1, 1, [RANGE])

    asyncio.run(main())


def test_a_finished_takeout_is_not_kept() -> None:
    """Neither in the session nor in this run; what comes next asks for another one, with files where they are wanted."""

    async def main() -> None:
        server = Server(required=True)
        await server.takeout.finish()
        assert server.sent == []
        await server.begin()
        assert server.saved == [1]
        assert (server.sent[0].files, server.sent[0].file_max_size) == (None, None)
        await server.takeout.finish()
        ended = server.sent[-1]
        assert (ended.takeout_id, ended.query.success) == (1, True)
        assert (server.takeout.id, server.session.takeout_id, server.saved) == (None, None, [1, None])
        assert server.states == ["requested", "granted", "finished"]
        assert await server.page() == b"page"
        assert server.calls["plain"] == 1
        await server.next.request()
        assert (server.calls["init"], server.session.takeout_id) == (2, 2)
        asked = next(one for one in reversed(server.sent) if isinstance(one, functions.account.InitTakeoutSessionRequest))
        kinds = asked.message_users, asked.message_chats, asked.message_megagroups, asked.message_channels
        assert (kinds, asked.files, asked.file_max_size) == ((True,) * 4, True, LARGEST_FILE)

    asyncio.run(main())


def test_one_that_telegram_had_ended_already_is_finished() -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        server.valid = set()
        await server.takeout.finish()
        assert (server.session.takeout_id, server.notices, server.states[-1]) == (None, [], "finished")

    asyncio.run(main())


@pytest.mark.parametrize("kept", [77, 0, "1", None])
def test_a_kept_one_that_is_none_is_replaced(kept: object) -> None:
    async def main() -> None:
        server = Server(required=True)
        server.session.takeout_id = kept
        await server.takeout.request()
        assert (server.calls["init"], server.takeout.id, server.saved) == (1, 1, [1])
        assert server.states == ["requested", "granted"]
        asked = [one.takeout_id for one in server.sent if isinstance(one, functions.InvokeWithTakeoutRequest)]
        assert asked == ([77, 1] if kept == 77 else [1])

    asyncio.run(main())


def test_a_page_is_asked_for_in_its_range_and_in_the_takeout() -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        await server.page()
        asked = server.sent[-1]
        assert (asked.takeout_id, asked.query.range) == (1, RANGE)
        assert isinstance(asked.query.query, functions.messages.GetHistoryRequest)
        assert asked.read_result == RawHistory.read_result  # the page is not decoded here
        plain = functions.help.GetConfigRequest()
        assert server.takeout.wrap(plain).query is plain

    asyncio.run(main())


@pytest.mark.parametrize(("first", "place"), [(1, 0), (100, 0), (101, 1), (200, 1), (201, 2), (301, 2), (1 << 62, 2)])
def test_the_range_of_an_id_has_it(first: int, place: int) -> None:
    ranges = [types.MessageRange(1, 100), types.MessageRange(101, 200), types.MessageRange(201, 300)]
    assert message_range(ranges, first) is ranges[place]
    assert message_range([], first) is None


@pytest.mark.parametrize(("error", "said"), [
    (errors.RPCError(None, "TAKEOUT_REQUIRED", 403), "no takeout is to be had: RPCError 403: TAKEOUT_REQUIRED"),
    (TakeoutDelayedError("main", 3600), str(TakeoutDelayedError("main", 3600))),
    (NoAnswer("it does not answer"), "no takeout is to be had: it does not answer"),
])
def test_a_refusal_says_why(error: Exception, said: str) -> None:
    assert refused(error) == said


def test_a_login_that_has_ended_is_no_refusal() -> None:
    with pytest.raises(errors.AuthKeyUnregisteredError):
        refused(errors.AuthKeyUnregisteredError(None))


def test_until_when_there_is_none_is_told() -> None:
    async def main() -> None:
        server = Server(required=True)
        server.refusal = DELAYED
        before = int(time.time())
        with pytest.raises(TakeoutDelayedError, match="main") as delayed:
            await server.takeout.request()
        assert delayed.value.args == TakeoutDelayedError("main", 3600).args
        (_, waiting) = server.told
        assert waiting.state == "waiting"
        assert before + 3600 <= waiting.until <= int(time.time()) + 3600
        server.refusal = FLOOD
        with pytest.raises(FloodParkedError) as parked:
            await server.takeout.request()
        assert parked.value.args == FloodParkedError(7, "account.initTakeoutSession").args
        assert (server.takeout.id, server.saved) == (None, [])

    asyncio.run(main())


@pytest.mark.parametrize("used", [None, 0, 1, 3])
def test_one_that_a_call_beside_it_has_renewed_is_not_renewed_again(used: int | None) -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        await server.takeout.renew(1)
        assert (server.takeout.id, server.calls["init"]) == (2, 2)
        await server.takeout.renew(used)
        assert (server.takeout.id, server.calls["init"]) == (2, 2)
        assert server.states == ["requested", "granted", "expired", "requested", "granted"]

    asyncio.run(main())


def test_a_page_without_a_range_is_asked_for_in_the_takeout_alone() -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        request = newest(types.InputPeerSelf())
        wrapped = server.takeout.wrap(request)
        assert (type(wrapped), wrapped.query) == (functions.InvokeWithTakeoutRequest, request)

    asyncio.run(main())


def test_the_takeouts_of_many_accounts_are_finished_side_by_side() -> None:
    """But for an account that is lost, or has none."""
    async def main() -> list[int]:
        together, finished = asyncio.Barrier(3), list[int]()

        def reader(number: int, failure: Exception | None = None, has_one: bool = True) -> Any:
            async def finish() -> None:
                async with asyncio.timeout(60):
                    await together.wait()
                finished.append(number)

            takeout = SimpleNamespace(finish=finish) if has_one else None
            return SimpleNamespace(failure=failure, caller=SimpleNamespace(takeout=takeout))

        await finish_takeouts([reader(1), reader(2), reader(3, Exception()), reader(4, has_one=False), reader(5)])
        return sorted(finished)

    assert asyncio.run(main()) == [1, 2, 5]
