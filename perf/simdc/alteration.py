"""Chats that change who they are while the server runs: their username, their access hash, whether one may read them."""
from __future__ import annotations

from typing import Any

from telethon.tl import types

from perf.simdc.world import World


def apply(world: World, request: dict[str, Any]) -> None:
    """Change `chat` (the marked id of a channel or supergroup).

    `username`: its only one from now on, null for none; whoever had it loses it. `access_hash`: true for another one for
    every account. `private`: true or false for everybody.
    """
    marked_id = request["chat"]
    if "username" in request:
        _rename(world, marked_id, request["username"])
    if request.get("access_hash"):
        world.rehashed[marked_id] = world.rehashed.get(marked_id, 0) + 1
    if "private" in request:
        for account in world.accounts:
            (account.private.add if request["private"] else account.private.discard)(marked_id)
    for view in world.views.values():
        view.forget()


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
