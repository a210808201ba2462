"""From a dialog of Telegram to the entry that chats are chosen from."""
from __future__ import annotations

from telethon.tl import types
from telethon.utils import get_display_name, get_peer_id

from tgbulk.stages.fetch.choice import Entry
from tgbulk.stages.fetch.dialog import Listed
from tgbulk.stages.telegram.peer import chat_type, usernames
from tgbulk.stages.telegram.sparse import sparse

ARCHIVE_FOLDER = 1


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
