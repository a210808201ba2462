"""Which account reads a chat."""
from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors

from support.virtual import virtually
from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.accounts import Accounts, without
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.sender import CONNECT_SECONDS, UNNOTICED
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.chat import ChatRecord

NAME = parse_name("@some_name")
PARKED = FloodParkedError(66_230, "contacts.resolveUsername")
FAILING = TroubledError("Telegram", "INTERNAL", "contacts.resolveUsername")
UNKNOWN = ChatError("@some_name", "nobody has this username", "")


CHAT, GROUP = -1000000000001, -7
LOGGED_OUT = AuthNeededError("main", "AUTH_KEY_UNREGISTERED")


def reader(
    number: int, error: Exception | None, kind: str = "channel", chat: int = CHAT, older: Target | Exception | None = None
) -> Any:
    """error: why this account does not see the chat; older: its answer to the question for the older half."""

    async def resolve(*_: Any) -> Target:
        if error is not None:
            raise error
        return Target(NAME.text, ChatRecord(chat, kind, "Chat", number, migrated_from=GROUP), f"peer of {number}")

    async def older_half(_: Target) -> Target | None:
        if isinstance(older, Exception):
            raise older
        return older

    return SimpleNamespace(number=number, failure=None, resolver=SimpleNamespace(resolve=resolve, older_half=older_half))


async def nobody_is_lost(*_: Any) -> None:
    raise AssertionError


class Lost(list[int]):
    """Numbers of the readers that were lost; each has its failure from then on."""

    async def __call__(self, one: Any, error: TgbulkError) -> None:
        one.failure = error
        self.append(one.number)


@pytest.mark.parametrize("error", [PARKED, FAILING, UNKNOWN])
def test_what_keeps_one_account_from_a_name_does_not_keep_the_next(error: Exception) -> None:
    accounts = Accounts([reader(0, error), reader(1, None)], print, nobody_is_lost)
    found, target = asyncio.run(accounts.resolve(NAME, 0, fresh=False))
    assert (found.number, target.record.account) == (1, 1)


def test_the_reason_of_the_first_account_counts_where_nobody_can() -> None:
    accounts = Accounts([reader(0, PARKED), reader(1, UNKNOWN)], print, nobody_is_lost)
    with pytest.raises(FloodParkedError):
        asyncio.run(accounts.resolve(NAME, 1, fresh=False))


def test_an_account_that_is_logged_out_is_lost_and_the_next_one_looks_a_name_up() -> None:
    lost = Lost()
    accounts = Accounts([reader(0, LOGGED_OUT), reader(1, None)], print, lost)
    found, _ = asyncio.run(accounts.resolve(NAME, 0, fresh=False))
    assert (found.number, lost, [one.number for one in accounts.alive]) == (1, [0], [1])
    lost = Lost()
    accounts = Accounts([reader(0, LOGGED_OUT)], print, lost)
    for _ in range(2):  # it says so again, and is asked nothing more
        with pytest.raises(AuthNeededError):
            asyncio.run(accounts.resolve(NAME, 0, fresh=False))
    assert lost == [0]


@pytest.mark.parametrize("name", [NAME, parse_name("-1000000000001")])
@pytest.mark.parametrize(("error", "expected"), [(None, 1), (UNKNOWN, 0), (LOGGED_OUT, 0)])
def test_a_chat_that_any_account_reads_is_its_whose_turn_it_is(
    name: ChatName, error: Exception | None, expected: int
) -> None:
    accounts = Accounts([reader(0, None), reader(1, error)], print, Lost())
    found, target = asyncio.run(accounts.resolve(name, 1, fresh=False))
    assert (found.number, target.record.account) == (expected, expected)


@pytest.mark.parametrize("name", [NAME, parse_name("-1000000000001")])
@pytest.mark.parametrize("kind", ["private", "group"])
def test_a_chat_with_ids_of_the_account_is_of_the_first(name: ChatName, kind: str) -> None:
    accounts = Accounts([reader(0, None, kind), reader(1, None, kind)], print, nobody_is_lost)
    assert asyncio.run(accounts.resolve(name, 1, fresh=False))[0].number == 0


@pytest.mark.parametrize("other", [CHAT - 1, CHAT + 1])
def test_an_account_whose_name_leads_to_another_chat_gets_no_turn(other: int) -> None:
    accounts = Accounts([reader(0, None), reader(1, None, chat=other)], print, nobody_is_lost)
    found, target = asyncio.run(accounts.resolve(parse_name("-1000000000001"), 1, fresh=False))
    assert (found.number, target.record.marked_id) == (0, CHAT)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_server_is_asked_anew_only_where_that_is_wanted(fresh: bool) -> None:
    """By whoever's turn it is and by the first; who looks a known chat up for itself may use its cache."""
    seen: list[tuple[int, bool]] = []

    def watched(number: int) -> Any:
        one = reader(number, None)

        async def resolve(name: ChatName, fresh: bool) -> Target:
            seen.append((number, fresh))
            return Target(name.text, ChatRecord(CHAT, "channel", "Chat", number), None)

        one.resolver.resolve = resolve
        return one

    accounts = Accounts([watched(0), watched(1)], print, nobody_is_lost)
    asyncio.run(accounts.resolve(NAME, 1, fresh))
    asyncio.run(accounts.resolve(parse_name("-1000000000001"), 1, fresh))
    assert seen == [(1, fresh), (0, fresh), (1, False)]


def asked(accounts: Accounts, target: Target) -> tuple[int, int]:
    """Whose answer it is when only the last account gives one, and who that was."""

    async def question(one: Any) -> int:
        if one is accounts.readers[-1]:
            return int(one.number)
        raise LOGGED_OUT

    found, answer = asyncio.run(accounts.ask(accounts.readers[0], target, question))
    return found.number, answer


def test_a_question_goes_on_to_another_account_that_sees_the_same_chat_as_it_sees_it() -> None:
    lost = Lost()
    target = Target(NAME.text, ChatRecord(CHAT, "channel", "Chat", 0), "peer of 0", cached=True)
    others = [reader(1, UNKNOWN), reader(2, None, chat=CHAT - 1), reader(3, LOGGED_OUT), reader(4, None, chat=CHAT + 1)]
    assert asked(Accounts([reader(0, None), *others, reader(5, None)], print, lost), target) == (5, 5)
    assert lost == [0, 3]
    assert (target.peer, target.cached, target.record.account) == ("peer of 5", False, 5)


def test_an_account_that_is_lost_as_it_finds_the_chat_is_not_the_next() -> None:
    target = Target(NAME.text, ChatRecord(CHAT, "channel", "Chat", 0), "peer of 0")
    late = reader(1, None)
    resolve = late.resolver.resolve

    async def lost_meanwhile(*_: Any) -> Target:
        late.failure = LOGGED_OUT
        found: Target = await resolve()
        return found

    late.resolver.resolve = lost_meanwhile
    assert asked(Accounts([reader(0, None), late, reader(2, None)], print, Lost()), target) == (2, 2)
    assert target.peer == "peer of 2"


@pytest.mark.parametrize(("kind", "other"), [("channel", UNKNOWN), ("private", None)])
def test_a_question_that_no_other_account_can_answer_fails_as_for_the_last(kind: str, other: Exception | None) -> None:
    target = Target(NAME.text, ChatRecord(CHAT, kind, "Chat", 0), None)
    with pytest.raises(AuthNeededError):
        asked(Accounts([reader(0, None), reader(1, other)], print, Lost()), target)


OLDER = Target("older", ChatRecord(GROUP, "group", "Older", 0), None)


def older(
    accounts: list[Any], kind: str = "supergroup", migrated_from: int | None = GROUP
) -> tuple[Any, list[int], list[str]]:
    """Which account reads the older half of what the first one reads, who was lost, what was told."""
    lost, notices = Lost(), list[Notice]()
    target = Target(NAME.text, ChatRecord(CHAT, kind, "Chat", 0, migrated_from=migrated_from), None)
    found = asyncio.run(Accounts(accounts, notices.append, lost).older_half(NAME, accounts[0], target))
    return found and found[0].number, lost, [one.text for one in notices]


@pytest.mark.parametrize("error", [UNKNOWN, PARKED, FAILING, None])
def test_the_older_half_is_read_by_the_first_account_that_can(error: Exception | None) -> None:
    others = [
        reader(1, UNKNOWN, older=OLDER),
        reader(2, None, chat=CHAT + 1, older=OLDER),
        reader(4, None, chat=CHAT - 1, older=OLDER),
        reader(3, None, older=OLDER),
    ]
    assert older([reader(0, None, older=error), *others]) == (3, [], [])
    assert older([reader(0, None, older=LOGGED_OUT), *others]) == (3, [0], [])


def test_that_nobody_can_read_the_older_half_is_told_or_raised_where_it_may_pass() -> None:
    left_out = "@some_name: nobody has this username; it is left out"
    assert older([reader(0, None, older=UNKNOWN), reader(1, None, older=PARKED)]) == (None, [], [left_out])
    assert older([reader(0, None), reader(1, None)]) == (None, [], [])
    for error in (PARKED, FAILING):
        with pytest.raises(type(error)):
            older([reader(0, None, older=error), reader(1, None, older=UNKNOWN)])


@pytest.mark.parametrize(("kind", "migrated_from"), [("channel", GROUP), ("supergroup", None), ("forum", None)])
def test_who_has_no_older_half_is_not_asked_for_it(kind: str, migrated_from: int | None) -> None:
    assert older([reader(0, None, older=OLDER)], kind, migrated_from) == (None, [], [])


def counted(*readers: Any) -> tuple[Accounts, list[int]]:
    """And who was asked for a chat, in order."""
    seen: list[int] = []
    for one in readers:

        async def resolve(*what: Any, number: int = one.number, given: Any = one.resolver.resolve) -> Target:
            seen.append(number)
            found: Target = await given(*what)
            return found

        one.resolver.resolve = resolve
    return Accounts(list(readers), print, Lost()), seen


@pytest.mark.parametrize(
    ("name", "place", "lost", "kind", "order"),
    [
        (NAME, 0, None, "channel", [0]),
        (NAME, 1, None, "channel", [1]),
        (NAME, 3, None, "channel", [0]),
        (NAME, 1, 1, "channel", [0]),
        (NAME, 1, None, "private", [1, 0]),
        (parse_name("-1000000000001"), 0, None, "channel", [0]),
        (parse_name("-1000000000001"), 1, None, "channel", [0, 1]),
        (parse_name("-1000000000001"), 1, 1, "channel", [0]),
        (parse_name("-1000000000001"), 1, None, "private", [0]),
        (parse_name("-1000000000001"), 1, 0, "channel", [1]),
    ],
)
def test_nobody_is_asked_for_a_chat_in_vain(
    name: ChatName, place: int, lost: int | None, kind: str, order: list[int]
) -> None:
    accounts, seen = counted(*(reader(number, None, kind) for number in range(3)))
    if lost is not None:
        accounts.readers[lost].failure = LOGGED_OUT
    asyncio.run(accounts.resolve(name, place, fresh=False))
    assert seen == order


def test_the_reason_of_an_account_that_was_lost_before_counts_first() -> None:
    for error in (UNKNOWN, PARKED, AuthNeededError("other", "too")):
        accounts, _ = counted(reader(0, None), reader(1, error))
        accounts.readers[0].failure = LOGGED_OUT
        with pytest.raises(AuthNeededError) as raised:
            asyncio.run(accounts.resolve(NAME, 0, fresh=False))
        assert raised.value is LOGGED_OUT


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([None], True), ([errors.RPCError(None, "NEVER_SEEN", 400)], True), ([Halted()], True), ([UNKNOWN], False),
        ([math.inf], False), ([UNKNOWN, math.inf, None], True), ([UNKNOWN, math.inf], False), ([], False),
    ],
)
def test_whether_telegram_answers_another_account(answers: list[Any], expected: bool) -> None:
    """None of them was answered lately: all are asked, side by side, and none for ever. The lost ones are not."""
    seen: list[int] = []

    async def main() -> float:
        lost, *others = (reader(number, None) for number in range(len(answers) + 2))
        for one, answer in zip([lost, *others], [None, *answers, None], strict=True):

            async def call(_: Any, number: int = one.number, answer: Any = answer) -> None:
                seen.append(number)
                if isinstance(answer, Exception):
                    raise answer
                await asyncio.sleep(1e9 if answer else 0)

            one.caller = SimpleNamespace(answered_at=5.0, call=call)
        others[-1].failure = LOGGED_OUT
        others[-1].caller.answered_at = 1e9
        accounts = Accounts([lost, *others], print, nobody_is_lost)
        assert await accounts.outlive(lost) is expected
        assert sorted(seen) == list(range(1, len(answers) + 1))
        return asyncio.get_running_loop().time()

    assert virtually(main()) == (CONNECT_SECONDS if math.inf in answers else 0)


@pytest.mark.parametrize(("since", "asked"), [(UNNOTICED, 1), (UNNOTICED + 1, 0), (-UNNOTICED, 1)])
def test_an_account_that_was_answered_since_is_not_asked(since: float, asked: int) -> None:
    async def main() -> None:
        seen: list[int] = []

        async def call(_: Any) -> None:
            seen.append(1)

        lost, other = reader(0, None), reader(1, None)
        lost.caller = SimpleNamespace(answered_at=100.0, call=call)
        other.caller = SimpleNamespace(answered_at=100.0 + since, call=call)
        assert await Accounts([lost, other], print, nobody_is_lost).outlive(lost)
        assert len(seen) == asked

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "said"),
    [("it is silent", "account main: it is silent"), ("account main: it has ended", "account main: it has ended")],
)
def test_an_account_that_is_out_is_named_once(text: str, said: str) -> None:
    class OutError(TgbulkError):
        """{0}"""

    assert without("main", OutError(text)).text == f"{said}; the other accounts continue"
