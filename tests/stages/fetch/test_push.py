"""Pushes as they came."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from telethon.extensions import BinaryReader
from telethon.tl import types

from tgbulk.stages.fetch import push
from tgbulk.stages.fetch.push import keep_bytes, split

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _bytes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (types.Updates, types.UpdatesCombined, types.UpdateShort):
        monkeypatch.setattr(one, "from_reader", one.from_reader)
    keep_bytes()


def user(name: str, number: int = 7) -> types.User:
    return types.User(number, access_hash=5, first_name=name)


def channel(title: str) -> types.Channel:
    return types.Channel(9, title, types.ChatPhotoEmpty(), NOW, access_hash=6)


def read(users: list[types.User], chats: list[types.Channel], combined: bool = False) -> Any:
    """A container of one update and these peers, as a connection gives it."""
    update = types.UpdateDeleteChannelMessages(9, [1, 2], 12, 2)
    made, *seq = (types.UpdatesCombined, 3, 4) if combined else (types.Updates, 4)
    sent = made([update], users, chats, NOW, *seq)
    with BinaryReader(bytes(sent)) as reader:
        found = reader.tgread_object()
        assert reader.tell_position() == len(bytes(sent))
    assert bytes(found) == bytes(sent)
    return found


@pytest.mark.parametrize("combined", [False, True])
def test_peers_that_come_again(combined: bool) -> None:
    """They are decoded once, and again when a byte of them is another one."""
    first = read([user("Ann"), user("Bob", 8)], [channel("Town")], combined)
    again = read([user("Bob", 8), user("Ann")], [channel("Town")], combined)
    assert again.users[0] is first.users[1]
    assert again.chats[0] is first.chats[0]
    other = read([user("Ann B."), user("Bo", 8)], [channel("Village")], combined)
    assert [one.first_name for one in other.users] == ["Ann B.", "Bo"]
    assert other.chats[0].title == "Village"
    (told,) = split(other, 0.0)
    assert told.users == (bytes(user("Ann B.")), bytes(user("Bo", 8)))
    assert told.chats == (bytes(channel("Village")),)


def test_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "MOST_PEERS", 2)
    for _ in range(2):
        found = read([user("Ann", number) for number in range(1, 6)], [])
        assert [one.id for one in found.users] == [1, 2, 3, 4, 5]
    assert len(push._read_peers.__self__._known) <= 2  # type: ignore[attr-defined]
