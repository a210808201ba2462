"""Users and chats as one account sees them: its own access hashes and flags, and their bytes ready for a page."""
from __future__ import annotations

import copy
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, World

#: What a min user keeps of the full one.
MIN_FIELDS = (
    "id", "first_name", "last_name", "username", "usernames", "photo", "bot", "bot_info_version", "deleted",
    "verified", "scam", "fake", "premium", "restricted", "restriction_reason",
)
#: Every so many users come as min objects in the pages of groups and channels.
MIN_EVERY = 5
_MIN_HASH = 0x6D69_6E00_6D69_6E00


class View:
    """One account's eyes. Bytes are cached until `forget`; `media_hash` is ready as eight bytes."""

    def __init__(self, world: World, account: Account) -> None:
        self.world = world
        self.account = account
        self.joined = {dialog.marked_id for dialog in account.dialogs}
        self.media_hash = world.media_hash(account).to_bytes(8, "little", signed=True)
        self._full: dict[int, bytes] = {}
        self._page: dict[int, bytes] = {}

    @classmethod
    def of(cls, world: World, account: Account) -> View:
        """The account's view, made at first use."""
        view = world.views.get(account.index)
        if view is None:
            view = world.views[account.index] = cls(world, account)
        return view

    def forget(self) -> None:
        """Look at users, chats and the dialog list again; they were changed."""
        self.joined = {dialog.marked_id for dialog in self.account.dialogs}
        self._full.clear()
        self._page.clear()

    def user(self, user_id: int) -> Any:
        """types.User (or UserEmpty), in full; KeyError for an id that is nobody's."""
        user = copy.copy(self.world.users[user_id])
        if not isinstance(user, types.User):
            return user
        user.access_hash = self.world.access_hash(self.account, user_id)
        if user_id == self.account.user_id:
            user.is_self = True
            user.phone = self.account.phone
        elif user_id in self.account.contacts:
            user.contact = True
            if any(a.user_id == user_id and self.account.user_id in a.contacts for a in self.world.accounts):
                user.mutual_contact = True
        return user

    def min_user(self, user_id: int) -> types.User:
        """The same with the min flag: fewer fields, and an access hash that opens no chat."""
        user = self.world.users[user_id]
        kept = {name: getattr(user, name) for name in MIN_FIELDS}
        return types.User(**kept, min=True, access_hash=self.world.access_hash(self.account, user_id) ^ _MIN_HASH)

    def is_min(self, user_id: int) -> bool:
        """Whether this user is a min object in pages of groups and channels."""
        return (
            user_id > 0
            and user_id % MIN_EVERY == 0
            and user_id != self.account.user_id
            and user_id not in self.account.contacts
            and user_id not in self.joined
            and isinstance(self.world.users[user_id], types.User)
        )

    def chat(self, marked_id: int) -> Any:
        """types.Chat, Channel or their forbidden kinds; KeyError for an id that is nobody's."""
        chat = copy.copy(self.world.chats[marked_id])
        if isinstance(chat, types.Channel) and marked_id in self.account.private:
            chat = types.ChannelForbidden(chat.id, 0, chat.title, chat.broadcast, chat.megagroup)
        if isinstance(chat, types.Channel | types.ChannelForbidden):
            chat.access_hash = self.world.access_hash(self.account, marked_id)
        if isinstance(chat, types.Channel) and marked_id not in self.joined:
            chat.left = True
        if isinstance(chat, types.Chat) and chat.migrated_to is not None:
            channel = chat.migrated_to.channel_id
            key = self.world.access_hash(self.account, -CHANNEL_MARK - channel)
            chat.migrated_to = types.InputChannel(channel, key)
        return chat

    def peer(self, marked_id: int) -> Any:
        """The user or chat with this marked id, in full."""
        return self.user(marked_id) if marked_id > 0 else self.chat(marked_id)

    def full(self, marked_id: int) -> bytes:
        """The peer's boxed bytes, in full."""
        data = self._full.get(marked_id)
        if data is None:
            data = self._full[marked_id] = bytes(self.peer(marked_id))
        return data

    def short(self, marked_id: int) -> bytes:
        """The peer's boxed bytes as pages of groups and channels have them: some users are min objects."""
        data = self._page.get(marked_id)
        if data is None:
            data = bytes(self.min_user(marked_id)) if self.is_min(marked_id) else self.full(marked_id)
            self._page[marked_id] = data
        return data
