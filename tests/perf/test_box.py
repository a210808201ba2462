"""Boxes of the simulated Telegram, by a plain Telethon client: states, differences, pushes, and faults of theirs."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from support.tiny_world import CHANNEL, GROUP, SUPERGROUP, tiny_world
from support.wire import client_of, logged_in, run
from tgbulk.perf.simdc import alteration, migration
from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.mutation import apply
from tgbulk.perf.simdc.server import Server

PARTNER = 15


class Quiet(TelegramClient):  # type: ignore[misc]
    """A client that leaves every push in its queue."""

    async def _update_loop(self) -> None:
        await self.disconnected


async def difference(client: Any, state: Any, **options: Any) -> Any:
    request = functions.updates.GetDifferenceRequest(state.pts, state.date, state.qts, **options)
    return await client(request)


async def channel_difference(client: Any, chat: int, pts: int, limit: int = 100) -> Any:
    channel = await client.get_input_entity(chat)
    empty = types.ChannelMessagesFilterEmpty()
    return await client(functions.updates.GetChannelDifferenceRequest(channel, empty, pts, limit))


def named(answer: Any) -> dict[int, int]:
    """Channels that a difference names, with their pts."""
    return {one.channel_id: one.pts for one in answer.other_updates if isinstance(one, types.UpdateChannelTooLong)}


def bare(chat: int) -> int:
    return -chat - 10**12


def test_a_channel_tells_edits_and_deletions_once() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            history = await client(functions.messages.GetHistoryRequest(SUPERGROUP, 0, None, 0, 1, 0, 0, 0))
            pts = history.pts
            assert isinstance(await difference(client, state), types.updates.DifferenceEmpty)
            done = apply(server.world, {"chat": SUPERGROUP, "insert": 2, "edit": [5], "delete": [6, 7]})
            assert named(await difference(client, state)) == {bare(SUPERGROUP): pts + 5}
            told = await channel_difference(client, SUPERGROUP, pts)
            assert (told.final, told.pts, [one.id for one in told.new_messages]) == (True, pts + 5, done["insert"])
            edit, deletion = told.other_updates
            assert (edit.message.id, edit.pts_count, deletion.messages, deletion.pts_count) == (5, 0, [6, 7], 0)
            assert isinstance(await channel_difference(client, SUPERGROUP, pts + 5), types.updates.ChannelDifferenceEmpty)
            part = await channel_difference(client, SUPERGROUP, pts, limit=2)
            assert (part.final, part.pts, len(part.new_messages)) == (False, pts + 2, 2)
            dialogs = await client(functions.messages.GetPeerDialogsRequest([types.InputDialogPeer(
                await client.get_input_entity(SUPERGROUP))]))
            assert dialogs.dialogs[0].pts == pts + 5
            full = await client(functions.channels.GetFullChannelRequest(SUPERGROUP))
            assert full.full_chat.pts == pts + 5

    run(check, tiny_world())


def test_the_common_box_of_an_account() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            ids = apply(server.world, {"chat": PARTNER, "insert": 3})["insert"]
            apply(server.world, {"chat": PARTNER, "edit": [ids[0]], "text": "as it is now"})
            apply(server.world, {"chat": PARTNER, "delete": [ids[1]]})
            apply(server.world, {"chat": GROUP, "edit": 1, "step": 2})
            answer = await difference(client, state)
            assert [(one.id, one.message) for one in answer.new_messages] == [
                (ids[0], "as it is now"), (ids[2], f"Arrived as {ids[2]}")
            ]
            assert [type(one).__name__ for one in answer.other_updates] == [
                "UpdateDeleteMessages", "UpdateEditMessage", "UpdateReadHistoryOutbox", "UpdateReadHistoryOutbox"
            ]
            assert answer.state.pts == state.pts + 8
            Boxes.of(server.world).fault.slice = 3
            found, at = [], state
            while True:
                part = await difference(client, at)
                found += part.new_messages
                if not isinstance(part, types.updates.DifferenceSlice):
                    break
                at = part.intermediate_state
            assert ([one.id for one in found], part.state.pts) == ([ids[0], ids[2]], state.pts + 8)

    run(check, tiny_world())


def test_too_long_by_age_and_by_limit() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, request_retries=1) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            boxes = Boxes.of(server.world)
            pts = boxes.channel(SUPERGROUP).pts
            apply(server.world, {"chat": SUPERGROUP, "insert": 20})
            apply(server.world, {"chat": PARTNER, "insert": 20})
            boxes.fault.by_limit = True
            told = await channel_difference(client, SUPERGROUP, pts, limit=10)
            assert isinstance(told, types.updates.ChannelDifferenceTooLong)
            assert (told.dialog.pts, len(told.messages)) == (pts + 20, 10)
            assert (await channel_difference(client, SUPERGROUP, pts, limit=20)).final
            boxes.fault.keep = 10
            assert isinstance(await difference(client, state), types.updates.DifferenceTooLong)
            assert isinstance(await channel_difference(client, SUPERGROUP, pts), types.updates.ChannelDifferenceTooLong)
            with pytest.raises(errors.PersistentTimestampInvalidError):
                await channel_difference(client, SUPERGROUP, pts + 21)
            with pytest.raises(errors.PersistentTimestampEmptyError):
                await channel_difference(client, SUPERGROUP, 0)
            boxes.fault.outdated = 1.0
            with pytest.raises(ValueError, match="unsuccessful"):
                await channel_difference(client, SUPERGROUP, pts + 20)

    run(check, tiny_world())


def test_reactions_clearings_and_what_comes_back() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            pts = Boxes.of(server.world).channel(SUPERGROUP).pts
            apply(server.world, {"chat": SUPERGROUP, "react": [8]})
            first = await channel_difference(client, SUPERGROUP, pts)
            assert first.other_updates[0].message.edit_hide
            apply(server.world, {"chat": SUPERGROUP, "react": [8]})
            assert (await channel_difference(client, SUPERGROUP, first.pts)).pts == first.pts
            apply(server.world, {"chat": SUPERGROUP, "pin": [9], "delete": [12]})
            apply(server.world, {"chat": SUPERGROUP, "restore": [12]})
            told = await channel_difference(client, SUPERGROUP, first.pts)
            assert [one.id for one in told.new_messages] == [12]
            gone = [one.messages for one in told.other_updates if isinstance(one, types.UpdateDeleteChannelMessages)]
            assert gone == [[12]]
            count = len(server.world.accounts[0].histories[PARTNER])
            apply(server.world, {"chat": PARTNER, "clear": True})
            cleared = await difference(client, state)
            assert sum(len(getattr(one, "messages", [])) for one in cleared.other_updates) == count
            apply(server.world, {"chat": CHANNEL, "clear": True})
            assert not (await client.get_messages(CHANNEL, limit=10))
            full = await client(functions.channels.GetFullChannelRequest(CHANNEL))
            assert full.full_chat.available_min_id == server.world.histories[CHANNEL].top_id()

    run(check, tiny_world())


def test_kept_out_and_let_in_again() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            pts = Boxes.of(server.world).channel(SUPERGROUP).pts
            channel = await client.get_input_entity(SUPERGROUP)
            alteration.apply(server.world, {"chat": SUPERGROUP, "private": True, "account": 0})
            apply(server.world, {"chat": SUPERGROUP, "delete": [4]})
            answer = await difference(client, state)
            assert [type(one).__name__ for one in answer.other_updates] == ["UpdateChannel"]
            assert isinstance(answer.chats[0], types.ChannelForbidden)
            with pytest.raises(errors.ChannelPrivateError):
                await channel_difference(client, SUPERGROUP, pts)
            alteration.apply(server.world, {"chat": SUPERGROUP, "private": False, "account": 0})
            empty = types.ChannelMessagesFilterEmpty()
            told = await client(functions.updates.GetChannelDifferenceRequest(channel, empty, pts, 100))
            assert told.other_updates[0].messages == [4]

    run(check, tiny_world())


def test_a_group_becomes_a_supergroup() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            state = await client(functions.updates.GetStateRequest())
            made = migration.migrate(server.world, GROUP)
            answer = await difference(client, state)
            assert isinstance(answer.new_messages[-1].action, types.MessageActionChatMigrateTo)
            assert named(answer) == {bare(made): 2}
            await client.get_dialogs()
            told = await channel_difference(client, made, 1)
            assert isinstance(told.new_messages[0].action, types.MessageActionChannelMigrateFrom)

    run(check, tiny_world())


async def pushes(client: Any) -> list[Any]:
    """What has come, once a ping has gone there and back behind it."""
    await client(functions.InvokeWithoutUpdatesRequest(functions.help.GetConfigRequest()))
    found = []
    while not client._updates_queue.empty():
        found.append(client._updates_queue.get_nowait())
    return found


async def quiet(server: Server, session: Any) -> Any:
    client = client_of(server, session=session)
    client.__class__ = type("QuietClient", (Quiet,), {"_config": None})
    await client.connect()
    await pushes(client)
    return client


def test_pushes_go_where_a_login_asked_last() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            first, second = await quiet(server, client.session), await quiet(server, client.session)
            await first(functions.updates.GetStateRequest())
            await second(functions.InvokeWithoutUpdatesRequest(functions.updates.GetStateRequest()))
            apply(server.world, {"chat": SUPERGROUP, "insert": 1, "edit": [5], "delete": [6, 7]})
            one, two, three = await pushes(first)
            assert (one.updates[0].pts + 3, one.seq) == (three.updates[0].pts, 0)
            assert [type(each.updates[0]).__name__ for each in (one, two, three)] == [
                "UpdateNewChannelMessage", "UpdateEditChannelMessage", "UpdateDeleteChannelMessages"
            ]
            assert three.updates[0].pts_count == 2
            await second(functions.updates.GetStateRequest())
            apply(server.world, {"chat": PARTNER, "insert": 1})
            assert (await pushes(first), len(await pushes(second))) == ([], 1)
            fault = Boxes.of(server.world).fault
            fault.short, fault.seq = True, True
            apply(server.world, {"chat": PARTNER, "insert": 1})
            apply(server.world, {"chat": SUPERGROUP, "insert": 1})
            short, container = await pushes(second)
            assert (isinstance(short, types.UpdateShortMessage), container.seq) == (True, 2)
            fault.lose = 1.0
            apply(server.world, {"chat": SUPERGROUP, "insert": 1})
            fault.lose, fault.double, fault.too_long = 0.0, 1.0, 1.0
            apply(server.world, {"chat": SUPERGROUP, "insert": 1})
            assert [type(each).__name__ for each in await pushes(second)] == ["UpdatesTooLong"] * 2
            for other in (first, second):
                await asyncio.wait_for(other.disconnect(), 60)

    run(check, tiny_world())


def test_a_replica_that_is_behind_answers_with_what_was() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            await client.get_dialogs()
            before = await client(functions.messages.GetHistoryRequest(SUPERGROUP, 0, None, 0, 100, 0, 0, 0))
            apply(server.world, {"chat": SUPERGROUP, "insert": 2, "edit": [5], "delete": [6]})
            after = await client(functions.messages.GetHistoryRequest(SUPERGROUP, 0, None, 0, 100, 0, 0, 0))
            Boxes.of(server.world).fault.lag = 1e9
            then = await client(functions.messages.GetHistoryRequest(SUPERGROUP, 0, None, 0, 100, 0, 0, 0))
            assert (after.pts, then.pts) == (before.pts + 4, before.pts)
            assert [(one.id, getattr(one, "message", "")) for one in then.messages] == [
                (one.id, getattr(one, "message", "")) for one in before.messages
            ] != [(one.id, getattr(one, "message", "")) for one in after.messages]
            some = await client(functions.channels.GetMessagesRequest(SUPERGROUP, [types.InputMessageID(6)]))
            assert (some.pts, [type(one) for one in some.messages]) == (before.pts, [types.Message])

    run(check, tiny_world())
