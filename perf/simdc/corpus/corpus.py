"""What the builders of chats share: the world in the making, its people and its media."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.media import Shelf
from tgbulk.perf.simdc.corpus.person import Cast
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, Dialog, World

#: When chats begin: 2021-01-01.
EPOCH = 1_609_459_200
DAY = 86_400


@dataclass(slots=True)
class Corpus:
    """Handed to every builder."""

    world: World
    cast: Cast
    shelf: Shelf

    def random(self, name: str) -> Random:
        """A source of chance of one builder, so that no builder depends on what another drew."""
        return Random(f"{self.world.seed}:{name}")

    def channel(self, number: int, title: str, history: History | None = None, **fields: Any) -> int:
        """Add a channel or supergroup with this bare id; its marked id."""
        marked_id = -(CHANNEL_MARK + number)
        photo = self._photo() if number % 2 else types.ChatPhotoEmpty()
        channel = types.Channel(number, title, photo, EPOCH, access_hash=0, **fields)
        self.world.chats[marked_id] = channel
        active = [u.username for u in channel.usernames or [] if u.active]
        for username in filter(None, (channel.username, *active)):
            self.world.usernames[username.lower()] = marked_id
        if history is not None:
            self.world.histories[marked_id] = history
        return marked_id

    def basic(self, number: int, title: str, members: int, **fields: Any) -> int:
        """Add a basic group with this bare id; its marked id."""
        self.world.chats[-number] = types.Chat(number, title, self._photo(), members, EPOCH, 5, **fields)
        return -number

    def join(self, marked_id: int, *accounts: Account, pinned: bool = False, folder_id: int = 0) -> None:
        """Put the chat into these accounts' dialog lists."""
        for account in accounts:
            account.dialogs.append(Dialog(marked_id, pinned, folder_id))

    def _photo(self) -> types.ChatPhoto:
        photo_id, dc_id, stripped = self.shelf.peer_photo()
        return types.ChatPhoto(photo_id, dc_id, stripped_thumb=stripped)


def peer_of(marked_id: int) -> Any:
    """The Peer object of a marked id."""
    if marked_id > 0:
        return types.PeerUser(marked_id)
    return types.PeerChannel(-marked_id - CHANNEL_MARK) if marked_id < -CHANNEL_MARK else types.PeerChat(-marked_id)
