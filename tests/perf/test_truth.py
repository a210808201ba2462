"""The ground truth that exports are compared with."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from telethon.extensions import BinaryReader
from telethon.tl import TLObject, types

from tgbulk.perf.simdc.corpus import group
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.corpus.line import converted
from tgbulk.perf.simdc.corpus.message import Message
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER
from tgbulk.perf.simdc.truth import readable_chats, summary, truth_lines, truth_messages, write_truth
from tgbulk.perf.simdc.world import CHANNEL_MARK, World

BUSY = -CHANNEL_MARK - group.BUSY


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(4)


def test_the_form_of_a_line() -> None:
    photo = types.Photo(7, MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, 12, [
        types.PhotoStrippedSize("i", b"\x01\xff"), types.PhotoSize("m", 1, 2, 3)], 2)
    message = Message(5, types.PeerChat(6), 1_600_000_000, "ä😀", silent=True, entities=[], views=0, forwards=0,
                      media=types.MessageMediaPhoto(photo=photo))
    assert converted(bytes(message), -9) == {
        "_": "message", "id": 5, "peer_id": {"_": "peerChat", "chat_id": 6}, "date": 1_600_000_000, "message": "ä😀",
        "silent": True, "entities": [], "views": 0, "forwards": 0,
        "media": {"_": "messageMediaPhoto", "photo": {
            "_": "photo", "id": 7, "access_hash": -9, "date": 12, "dc_id": 2, "sizes": [
                {"_": "photoStrippedSize", "type": "i", "bytes": "Af8="},
                {"_": "photoSize", "type": "m", "w": 1, "h": 2, "size": 3}]}}}


def test_names_as_telegram_has_them() -> None:
    user = types.User(1, is_self=True, status=types.UserStatusOffline(5))
    assert converted(bytes(user), 0) == {
        "_": "user", "id": 1, "self": True, "status": {"_": "userStatusOffline", "was_online": 5}}
    assert converted(bytes(types.DcOption(2, "::1", 443)), 0) == {
        "_": "dcOption", "id": 2, "ip_address": "::1", "port": 443}


def test_a_message_keeps_its_empty_medium() -> None:
    data = bytes(Message(1, types.PeerUser(2), 3, "", media=types.MessageMediaEmpty()))
    assert converted(data, 0)["media"] == {"_": "messageMediaEmpty"}


def test_damaged_bytes_are_refused() -> None:
    data = bytes(Message(1, types.PeerUser(2), 3, "text"))
    with pytest.raises(ValueError, match="left over"):
        converted(data + b"\0\0\0\0", 0)
    with pytest.raises(ValueError, match="too early"):
        converted(data[:-4], 0)


def test_values_are_those_that_telethon_reads(world: World) -> None:
    """Telethon's own reader is a second witness, but for what it drops."""
    account = world.accounts[0]
    history = world.histories[world.usernames["sim_forum"]]
    compared = 0
    for message_id in history.ids(0, len(history)):
        read = BinaryReader(history.message(message_id)).tgread_object()
        compared += _same(read, converted(history.message(message_id), world.media_hash(account)))
    assert compared > 5 * len(history)


def _same(read: Any, line: dict[str, Any]) -> int:
    """How many fields were compared, all of which are equal."""
    for name, value in line.items():
        if name in ("_", "access_hash"):
            continue
        held = getattr(read, name)
        if isinstance(held, TLObject):
            _same(held, value)
        elif isinstance(held, list):
            assert len(held) == len(value)
            for left, right in zip(held, value, strict=True):
                _same(left, right) if isinstance(left, TLObject) else None
        elif hasattr(held, "timestamp"):
            assert int(held.timestamp()) == value
        elif not isinstance(held, bytes):
            assert held == value
    return len(line)


def test_holes_are_told_apart(world: World) -> None:
    account, history = world.accounts[0], world.histories[BUSY]
    told = summary(world, account, BUSY)
    ids = [m["id"] for m in truth_messages(world, account, BUSY)]
    assert ids == sorted(set(ids))
    assert sorted([*ids, *told["empty"], *told["withheld"]]) == list(history.ids(0, len(history)))
    assert told["count"] == len(history)
    assert told["type"] == "supergroup"
    assert set(told["empty"]) == set(group.UNAVAILABLE)


def test_each_account_has_its_own_media_hash(world: World) -> None:
    lines = [list(truth_lines(world, account, BUSY)) for account in world.accounts]
    assert lines[0] != lines[1]
    assert str(MEDIA_HASH_PLACEHOLDER) not in "".join(lines[0])
    first, second = (str(world.media_hash(account)) for account in world.accounts)
    swapped = "\n".join(lines[0]).replace(first, second)
    assert swapped == "\n".join(lines[1])
    assert "file_reference" not in swapped


def test_closed_chats_have_no_truth(world: World) -> None:
    account = world.accounts[0]
    closed = -CHANNEL_MARK - group.PRIVATE
    assert closed not in readable_chats(world, account)
    assert list(truth_lines(world, account, closed)) == []


def test_written_files(world: World, tmp_path: Path) -> None:
    write_truth(world, tmp_path)
    for account in world.accounts:
        folder = tmp_path / str(account.index)
        chats = readable_chats(world, account)
        assert len(list(folder.iterdir())) == 3 * len(chats) + 1
        for marked_id in chats:
            told = json.loads((folder / f"{marked_id}.json").read_text())
            lines = (folder / f"{marked_id}.jsonl").read_text("utf-8").split("\n")
            assert lines.pop() == ""
            assert len(lines) == told["count"] - len(told["empty"]) - len(told["withheld"])
            assert set(json.loads((folder / f"{marked_id}.peers.json").read_text())) <= (
                world.users.keys() | world.chats.keys())
        assert json.loads((folder / "media.json").read_text())


def test_lines_of_a_bulk_chat_come_one_by_one() -> None:
    world = build_world(4, bulk={"huge": 10_000_000})
    lines = truth_lines(world, world.accounts[0], world.usernames["sim_huge"])
    first, second = json.loads(next(lines)), json.loads(next(lines))
    assert first["id"] < second["id"]
