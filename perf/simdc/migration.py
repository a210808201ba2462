"""A basic group that becomes a supergroup while the server runs."""
from __future__ import annotations

from datetime import UTC, datetime

from telethon.tl import types

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import CHANNEL_MARK, Dialog, World

#: Bare ids of supergroups that were made so, from this one on.
FIRST = 4_000_000_001


def migrate(world: World, group: int) -> int:
    """The marked id of the supergroup; the old half ends with messageActionChatMigrateTo in every account's id space.

    KeyError for a chat that there is not, ValueError for one that is no basic group.
    """
    chat = world.chats[group]
    if not isinstance(chat, types.Chat) or chat.migrated_to is not None:
        raise ValueError(f"{group} is no basic group")
    number = next(n for n in range(FIRST, FIRST + len(world.chats) + 1) if -CHANNEL_MARK - n not in world.chats)
    marked_id, now, boxes = -CHANNEL_MARK - number, datetime.now(UTC).replace(microsecond=0), Boxes.of(world)
    members = [account for account in world.accounts if group in account.histories]
    sender = types.PeerUser(members[0].user_id)
    world.chats[marked_id] = types.Channel(number, chat.title, chat.photo, now, megagroup=True, access_hash=0)
    begin = types.MessageActionChannelMigrateFrom(chat.title, -group)
    world.histories[marked_id] = StoredHistory([
        types.MessageService(1, types.PeerChannel(number), now, action=begin, from_id=sender)
    ])
    chat.migrated_to, chat.deactivated = types.InputChannel(number, 0), True
    for account in members:
        top_id = max(history.top_id() for history in account.histories.values()) + 1
        end = types.MessageActionChatMigrateTo(number)
        history = account.histories[group]
        assert isinstance(history, StoredHistory)
        history.append(types.MessageService(top_id, types.PeerChat(-group), now, action=end, from_id=sender))
        world.migrations.setdefault(marked_id, (group, top_id))
        account.dialogs.append(Dialog(marked_id))
        if account.index in world.views:
            world.views[account.index].forget()
        boxes.happened(account, group, "new", [top_id], history)
    boxes.begin(marked_id)
    boxes.happened(members[0], marked_id, "new", [1], world.histories[marked_id])
    return marked_id
