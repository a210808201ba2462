"""What tests ask of a chat's annexes while the server runs: to change them, and what an export must have of them."""
from __future__ import annotations

from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.annex import Annexes
from tgbulk.perf.simdc.corpus.line import converted
from tgbulk.perf.simdc.world import World


def apply(world: World, request: dict[str, Any]) -> None:
    """Change the annexes of `chat` (marked id): `about`, `hidden`, who may `join` or `leave` (user ids), one `event` more
    (its id), a `story` whose caption changes (its id), one `unstoried`, `admins` (account indexes), `emoji` (ids)."""
    annexes = world.annexes.setdefault(request["chat"], Annexes())
    annexes.about = request.get("about", annexes.about)
    annexes.hidden = request.get("hidden", annexes.hidden)
    annexes.emoji = request.get("emoji", annexes.emoji)
    if "admins" in request:
        annexes.admins = set(request["admins"])
    for user in request.get("leave", []):
        del annexes.members[user]
    for user in request.get("join", []):
        annexes.members[user] = types.ChannelParticipant(user, 1_700_000_000)
    if "event" in request:
        action = types.ChannelAdminLogEventActionParticipantJoin()
        user = next(iter(annexes.members))
        annexes.events.append(types.ChannelAdminLogEvent(request["event"], 1_700_000_000, user, action))
    if "story" in request:
        one = next(one for one in annexes.stories if one.id == request["story"])
        one.caption, one.edited = "Another caption", True
    if "unstoried" in request:
        annexes.stories = [one for one in annexes.stories if one.id != request["unstoried"]]


def truth(world: World, chat: int, account: int = 0) -> dict[str, dict[str, Any]]:
    """Annex -> key -> TL object, as a complete export by this account must have it now; without info, which the server
    makes anew at every look."""
    annexes = world.annexes.get(chat) or Annexes()
    reader = world.accounts[account]
    media_hash = world.media_hash(reader)

    def lines(found: dict[int, Any]) -> dict[str, Any]:
        return {str(key): converted(bytes(one), media_hash) for key, one in found.items()}

    return {
        "members": lines(annexes.members),
        "admin_log": lines({one.id: one for one in annexes.events}),
        "stories": lines({one.id: one for one in annexes.stories}),
    }
