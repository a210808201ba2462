"""Objects in places that Telegram's schema gives to others are found, at every depth; what it declares is none of them."""
from __future__ import annotations

from random import Random
from typing import Any

import pytest
from telethon.tl import TLObject, functions, types

from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.schema import classes, readable
from tgbulk.stages.fetch.declared import stranger

#: A type that no vector has.
NONE = 0
#: Answers with much in them.
ANSWERS = (
    types.messages.DialogsSlice, types.messages.ChatFull, types.contacts.ResolvedPeer, types.channels.ChannelParticipants,
    types.channels.AdminLogResults, types.stories.PeerStories, types.users.UserFull, types.messages.DialogFilters,
)  # fmt: skip


def places(holder: Any) -> list[tuple[Any, Any]]:
    """Every place of an object within another."""
    pairs = list(enumerate(holder)) if isinstance(holder, list) else list(vars(holder).items())
    found = [(holder, key) for key, value in pairs if isinstance(value, TLObject)]
    return found + [one for _, value in pairs if isinstance(value, TLObject | list) for one in places(value)]


def test_all_that_the_schema_allows() -> None:
    """Some objects of each constructor."""
    source = Sampler(Random(1))
    for cls in classes():
        if readable(cls):
            for _ in range(3):
                assert stranger(source.make(cls), NONE) is None, cls


@pytest.mark.parametrize("cls", ANSWERS)
def test_what_it_does_not(cls: Any) -> None:
    random = Random(2)
    source = Sampler(random, optional=0.8)
    for _ in range(200):
        answer = source.make(cls)
        found = places(answer)
        if not found:
            continue
        holder, key = random.choice(found)
        wrong = random.choice([types.UpdateConfig(), types.help.NoAppUpdate(), True, [], [types.UpdateConfig()]])
        if isinstance(holder, list):
            holder[key] = wrong
        else:
            setattr(holder, key, wrong)
        assert stranger(answer, NONE) == type(wrong).__name__


@pytest.mark.parametrize(
    ("method", "item"),
    [
        (functions.users.GetUsersRequest, types.UserEmpty(1)),
        (functions.messages.GetSplitRangesRequest, types.MessageRange(1, 2)),
        (functions.messages.GetCustomEmojiDocumentsRequest, types.DocumentEmpty(1)),
    ],
)
def test_items_of_a_vector(method: Any, item: Any) -> None:
    assert stranger([item, item], method.SUBCLASS_OF_ID) is None
    assert stranger([item, types.PeerUser(1)], method.SUBCLASS_OF_ID) == "PeerUser"
    assert stranger([item, 5], method.SUBCLASS_OF_ID) == "int"
