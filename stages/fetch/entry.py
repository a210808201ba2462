"""One chat of an account's list, as `tgbulk chats` tells it."""
from __future__ import annotations

from dataclasses import dataclass

from telethon.tl import types
from telethon.utils import get_display_name, get_peer_id

from stages.fetch.dialog import Listed
from stages.telegram.peer import chat_type, usernames
from stages.telegram.sparse import sparse

ARCHIVE_FOLDER = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A dialog without what came along."""

    #: marked id
    id: int
    #: as in chat.json: saved, private, bot, group, supergroup, forum, channel
    type: str
    title: str
    #: every active one, the main one first
    usernames: list[str]
    unread: int
    #: Unix time of the newest message, None for an empty or closed chat
    date: int | None
    pinned: bool
    archived: bool
    #: closed to this account
    forbidden: bool
    left: bool
    #: marked id of the supergroup that continues this basic group
    migrated_to: int | None


def describe(listed: Listed) -> Entry:
    """What a person wants to know of it."""
    entity = listed.entity
    peer = sparse(entity)
    kind = chat_type(peer)
    successor = getattr(entity, "migrated_to", None)
    deleted = getattr(entity, "deleted", False)
    date = getattr(listed.message, "date", None)
    return Entry(
        id=listed.marked_id,
        type=kind,
        title="Saved Messages" if kind == "saved" else "Deleted Account" if deleted else get_display_name(entity),
        usernames=usernames(peer),
        unread=listed.dialog.unread_count,
        date=None if date is None else int(date.timestamp()),
        pinned=bool(listed.dialog.pinned),
        archived=listed.dialog.folder_id == ARCHIVE_FOLDER,
        forbidden=isinstance(entity, types.ChatForbidden | types.ChannelForbidden),
        left=bool(getattr(entity, "left", False)),
        migrated_to=None if successor is None else get_peer_id(types.PeerChannel(successor.channel_id)),
    )
