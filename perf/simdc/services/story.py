"""stories.getPeerStories, getPinnedStories, getStoriesArchive, getStoriesByID."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from telethon.tl import types
from telethon.tl.functions.stories import (
    GetPeerStoriesRequest,
    GetPinnedStoriesRequest,
    GetStoriesArchiveRequest,
    GetStoriesByIDRequest,
)

from tgbulk.perf.simdc.annex import Annexes
from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import PAGE_LIMIT


@serves(GetPeerStoriesRequest)
def get_peer_stories(call: Call, request: GetPeerStoriesRequest) -> types.stories.PeerStories:
    """The active ones, every other one short, as Telegram does for those that were not looked at."""
    marked_id, annexes = _annexes(call, request.peer)
    listed = [one for one in annexes.stories if one.id in annexes.active]
    shown = [types.StoryItemSkipped(one.id, one.date, one.expire_date) if one.id % 2 else one for one in listed]
    peer = types.PeerUser(marked_id) if marked_id > 0 else types.PeerChannel(-marked_id - 10**12)
    return types.stories.PeerStories(types.PeerStories(peer, shown), *_named(call, marked_id))


@serves(GetPinnedStoriesRequest)
def get_pinned_stories(call: Call, request: GetPinnedStoriesRequest) -> types.stories.Stories:
    """Those that stay on the profile, the newest first."""
    return _page(call, request, lambda one: bool(one.pinned))


@serves(GetStoriesArchiveRequest)
def get_stories_archive(call: Call, request: GetStoriesArchiveRequest) -> types.stories.Stories:
    """All there ever were; 400 CHAT_ADMIN_REQUIRED for who does not manage them."""
    marked_id, annexes = _annexes(call, request.peer)
    if marked_id != call.account.user_id and call.account.index not in annexes.admins:
        raise RpcError(400, "CHAT_ADMIN_REQUIRED")
    return _page(call, request, lambda one: True)


@serves(GetStoriesByIDRequest)
def get_stories_by_id(call: Call, request: GetStoriesByIDRequest) -> types.stories.Stories:
    """The named ones that there are."""
    marked_id, annexes = _annexes(call, request.peer)
    shown = [one for one in annexes.stories if one.id in request.id]
    return types.stories.Stories(len(shown), shown, *_named(call, marked_id))


def _annexes(call: Call, peer: Any) -> tuple[int, Annexes]:
    marked_id = readable(call, peer)
    return marked_id, call.world.annexes.get(marked_id) or Annexes()


def _page(call: Call, request: Any, fits: Callable[[Any], bool]) -> types.stories.Stories:
    marked_id, annexes = _annexes(call, request.peer)
    found = [one for one in reversed(annexes.stories) if fits(one)]
    shown = [one for one in found if not request.offset_id or one.id < request.offset_id]
    shown = shown[: min(request.limit, PAGE_LIMIT)]
    return types.stories.Stories(len(found), shown, *_named(call, marked_id))


def _named(call: Call, marked_id: int) -> tuple[list[Any], list[Any]]:
    """(chats, users)"""
    peer = View.of(call.world, call.account).peer(marked_id)
    return ([], [peer]) if marked_id > 0 else ([peer], [])
