"""Archives of different chats, read as one: those of many hosts or accounts."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tgbulk.engine.error import UsageError
from tgbulk.stages.archive.reader import ArchiveReader, ChatReader, ChatSnapshot


class SameChatError(UsageError):
    """chat {0} is in {1} and in {2}"""

    advice = "Name archives of different chats; which of two exports of one chat is to stay, nobody but you can say."


class Catalogue:
    """Read only, as each of its archives is."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """SameChatError, and what ArchiveReader says of each."""
        self.readers = [ArchiveReader(root) for root in roots]
        self._of: dict[int, ArchiveReader] = {}
        self.marked_ids()

    def marked_ids(self) -> list[int]:
        """Of all, as their journals have them now; ascending. SameChatError."""
        self._of = {}
        for reader in self.readers:
            for chat in reader.marked_ids():
                other = self._of.setdefault(chat, reader)
                if other is not reader:
                    raise SameChatError(chat, other.root, reader.root)
        return sorted(self._of)

    def of(self, chat: int) -> ArchiveReader:
        """The archive that has it. UsageError where there is none."""
        if chat not in self._of:
            raise UsageError(f"{'the archive has no' if len(self.readers) == 1 else 'no archive has a'} chat {chat}")
        return self._of[chat]

    def chat(self, chat: int) -> ChatReader:
        """As it is now. UsageError where there is none, StorageError for what cannot be read."""
        return self.of(chat).chat(chat)

    def by_newest_peers(self, snapshots: list[ChatSnapshot]) -> list[ChatSnapshot]:
        """Those of each archive as it says; of a peer that several archives have, the last of them knows the newest form."""
        found: list[ChatSnapshot] = []
        for reader in self.readers:
            found += reader.by_newest_peers([one for one in snapshots if one.root == reader.root])
        return found

    def pictures(self) -> dict[int, str]:
        """Photo id of each peer's picture that one has -> its path below that one's media/. StorageError."""
        found: dict[int, str] = {}
        for reader in self.readers:
            found |= reader.media.pictures()
        return found

    def close(self) -> None:
        for reader in self.readers:
            reader.media.close()
