"""Which account reads a chat."""
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.accounts import Accounts
from tgbulk.stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.fetch.resolver import Target
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


def test_an_account_whose_name_leads_to_another_chat_gets_no_turn() -> None:
    accounts = Accounts([reader(0, None), reader(1, None, chat=CHAT - 1)], print, nobody_is_lost)
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
    others = [reader(1, UNKNOWN), reader(2, None, chat=CHAT - 1), reader(3, LOGGED_OUT), reader(4, None)]
    assert asked(Accounts([reader(0, None), *others], print, lost), target) == (4, 4)
    assert lost == [0, 3]
    assert (target.peer, target.cached, target.record.account) == ("peer of 4", False, 4)


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
    others = [reader(1, UNKNOWN, older=OLDER), reader(2, None, chat=CHAT + 1, older=OLDER), reader(3, None, older=OLDER)]
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
