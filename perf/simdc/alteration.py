"""Chats that change who they are while the server runs: their username, their access hash, whether one may read them."""
from __future__ import annotations

import time
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.world import CHANNEL_MARK, World


def apply(world: World, request: dict[str, Any]) -> None:
    """Change `chat` (the marked id of a channel or supergroup).

    `username`: its only one from now on, null for none; whoever had it loses it. `access_hash`: true for another one for
    every account. `private`: true or false for everybody, or for one `account` (index), who is told. `removed`: true for a
    basic group that its accounts were removed from, whose old messages Telegram still gives, false to be in it again.
    """
    marked_id = request["chat"]
    if "username" in request:
        _rename(world, marked_id, request["username"])
        for account in world.accounts:
            Boxes.of(world).altered[account.index, marked_id] = time.time()
    if request.get("access_hash"):
        world.rehashed[marked_id] = world.rehashed.get(marked_id, 0) + 1
    if "private" in request:
        meant = world.accounts if "account" not in request else [world.accounts[request["account"]]]
        for account in meant:
            Boxes.of(world).admit(account, marked_id, not request["private"])
    if "removed" in request:
        _remove(world, marked_id, request["removed"])
    for view in world.views.values():
        view.forget()
    if "private" in request:
        for account in meant:
            Boxes.of(world).tell(account, marked_id, types.UpdateChannel(-CHANNEL_MARK - marked_id))


def _remove(world: World, marked_id: int, removed: bool) -> None:
    if removed:
        chat = world.removed[marked_id] = world.chats[marked_id]
        world.chats[marked_id] = types.ChatForbidden(chat.id, chat.title)
    else:
        world.chats[marked_id] = world.removed.pop(marked_id)


def _rename(world: World, marked_id: int, username: str | None) -> None:
    if username is not None and username.lower() in world.usernames:
        _rename(world, world.usernames[username.lower()], None)
    for name in [name for name, owner in world.usernames.items() if owner == marked_id]:
        del world.usernames[name]
    chat = world.chats[marked_id]
    chat.username, chat.usernames = None, None
    if username is not None:
        world.usernames[username.lower()] = marked_id
        chat.usernames = [types.Username(username, editable=True, active=True)]
