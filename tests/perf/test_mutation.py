"""Changes while the server runs, and their log."""
from __future__ import annotations

import asyncio

import pytest
from telethon.tl import types

from support.tiny_world import CHANNEL, GROUP, SUPERGROUP, tiny_world
from support.wire import stock_client
from tgbulk.perf.simdc.bulk import BulkHistory
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.perf.simdc.mutation import apply, log, tick
from tgbulk.perf.simdc.world import World

BULK = SUPERGROUP - 1000


@pytest.fixture
def world() -> World:
    world = tiny_world()
    world.histories[BULK] = BulkHistory(1, 2000, BULK, [11, 12, 13])
    return world


@pytest.mark.parametrize("chat", [SUPERGROUP, GROUP, CHANNEL, 15, BULK])
def test_the_history_follows_the_log(world: World, chat: int) -> None:
    history = world.history(world.accounts[0], chat)
    assert history is not None
    before = set(history.ids(0, len(history)))
    done = apply(world, {"chat": chat, "insert": 5, "edit": 3, "delete": 4})
    assert (len(done["insert"]), len(done["edit"]), len(done["delete"])) == (5, 3, 4)
    assert set(history.ids(0, len(history))) == (before | set(done["insert"])) - set(done["delete"])
    for message_id in done["insert"]:
        if message_id in history:
            assert history.object(message_id).message.startswith(f"Arrived as {message_id}")
            assert all(peer in world.users or peer in world.chats or peer == BULK for peer in history.peers([message_id]))
    for message_id in done["edit"]:
        if message_id in history:
            assert " edited " in history.object(message_id).message
            assert history.object(message_id).edit_date is not None
    told = [(change["do"], change["id"]) for change in log(world, chat)]
    assert told == [(do, message_id) for do in ("insert", "edit", "delete") for message_id in done[do]]
    assert log(world, 999) == []


def test_named_messages_and_a_username(world: World) -> None:
    assert apply(world, {"chat": "TheChannel", "delete": [30, 29], "edit": [3]}) == {"edit": [3], "delete": [30, 29]}
    assert apply(world, {"chat": CHANNEL, "insert": 1}) == {"insert": [31]}
    message = world.histories[CHANNEL].object(31)
    assert (message.post, message.from_id) == (True, None)
    with pytest.raises(KeyError):
        apply(world, {"chat": CHANNEL, "delete": [30]})
    with pytest.raises(ValueError, match="no history"):
        apply(world, {"chat": 999, "insert": 1})


def test_an_account_has_one_id_space(world: World) -> None:
    (first,) = apply(world, {"chat": 15, "insert": 1})["insert"]
    (second,) = apply(world, {"chat": GROUP, "insert": 1})["insert"]
    apply(world, {"chat": GROUP, "delete": [second]})
    (third,) = apply(world, {"chat": GROUP, "insert": 1})["insert"]
    assert (first, second, third) == (403, 404, 405)
    assert isinstance(world.accounts[0].histories[GROUP].object(third).peer_id, types.PeerChat)


def test_rates_go_on_until_they_are_set_to_nothing(world: World) -> None:
    tick(world, 100.0)
    assert apply(world, {"chat": SUPERGROUP, "rates": {"insert": 4, "delete": 1.5}}) == {}
    for _ in range(100):
        tick(world, 0.05)
    done = [change["do"] for change in log(world)]
    assert done.count("insert") in (19, 20)
    assert done.count("delete") in (6, 7)
    apply(world, {"chat": SUPERGROUP, "rates": {"insert": 0, "delete": 0}})
    tick(world, 100.0)
    assert len(log(world)) == len(done)
    with pytest.raises(ValueError, match="no change"):
        apply(world, {"chat": SUPERGROUP, "rates": {"frobnicate": 1}})


def test_a_walk_meets_once_whatever_was_there_throughout() -> None:
    history = build_world(1, 2, {"lively": 8000}).histories
    with SimDC("--bulk", "lively=8000") as simdc:
        done = simdc.control("mutate", chat="sim_lively", insert=5, edit=5, delete=50)
        simdc.control("mutate", chat="sim_lively", rates={"insert": 60, "edit": 60, "delete": 200})
        found = asyncio.run(everything(simdc))
        changes = simdc.control("mutations")
    chat = changes[0]["chat"]
    gone = {change["id"] for change in changes if change["do"] == "delete"}
    came = {change["id"] for change in changes if change["do"] == "insert"}
    assert len(gone) > len(done["delete"]) == 50
    assert len(came) > len(done["insert"]) == 5
    assert found == sorted(set(found), reverse=True)
    there = set(history[chat].ids(0, 8000)) | set(done["insert"])
    assert there - gone <= set(found) <= there | came
    assert not set(done["delete"]) & set(found)


async def everything(simdc: SimDC) -> list[int]:
    """The ids that a stock script gets of the lively chat."""
    client = stock_client(simdc.settings["host"], simdc.settings["port"], simdc.settings["public_key"])
    await client.connect()
    try:
        account = simdc.accounts[0]
        await client.send_code_request(account["phone"])
        await client.sign_in(account["phone"], account["code"])
        return [message.id async for message in client.iter_messages("sim_lively", wait_time=0)]
    finally:
        await client.disconnect()


@pytest.mark.parametrize("chat", [SUPERGROUP, 15, BULK])
def test_what_was_deleted_comes_back(world: World, chat: int) -> None:
    history = world.history(world.accounts[0], chat)
    assert history is not None
    (made,) = apply(world, {"chat": chat, "insert": 1})["insert"]
    ids = list(history.ids(0, len(history)))
    before = {one: history.message(one) for one in ids}
    gone = [made, ids[3]]
    apply(world, {"chat": chat, "delete": gone})
    assert not any(one in history for one in gone)
    apply(world, {"chat": chat, "restore": gone})
    assert list(history.ids(0, len(history))) == ids
    assert {one: history.message(one) for one in ids} == before
    with pytest.raises((KeyError, ValueError)):
        apply(world, {"chat": chat, "restore": [made]})
