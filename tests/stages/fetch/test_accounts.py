"""Which account reads a chat."""
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tgbulk.stages.fetch.accounts import Accounts
from tgbulk.stages.fetch.error import ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.telegram.chat import ChatRecord

NAME = parse_name("@some_name")
PARKED = FloodParkedError(66_230, "contacts.resolveUsername")
FAILING = TroubledError("Telegram", "INTERNAL", "contacts.resolveUsername")
UNKNOWN = ChatError("@some_name", "nobody has this username", "")


def reader(number: int, error: Exception | None) -> Any:
    async def resolve(*_: Any) -> Target:
        if error is not None:
            raise error
        return Target(NAME.text, ChatRecord(-1000000000001, "channel", "Chat", number), None)

    return SimpleNamespace(number=number, failure=None, resolver=SimpleNamespace(resolve=resolve))


async def nobody_is_lost(*_: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize("error", [PARKED, FAILING, UNKNOWN])
def test_what_keeps_one_account_from_a_name_does_not_keep_the_next(error: Exception) -> None:
    accounts = Accounts([reader(0, error), reader(1, None)], print, nobody_is_lost)
    found, target = asyncio.run(accounts.resolve(NAME, 0, fresh=False))
    assert (found.number, target.record.account) == (1, 1)


def test_the_reason_of_the_first_account_counts_where_nobody_can() -> None:
    accounts = Accounts([reader(0, PARKED), reader(1, UNKNOWN)], print, nobody_is_lost)
    with pytest.raises(FloodParkedError):
        asyncio.run(accounts.resolve(NAME, 1, fresh=False))
