"""The two halves of a group that became a supergroup: chats of their own in an archive, one chat for people."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.reader import ArchiveReader, ChatSnapshot
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Added to the ids of the older half; docs/spec/telegram-desktop-json.md 2.
MIGRATED = -1_000_000_000


def older_half(snapshot: ChatSnapshot) -> ChatSnapshot | None:
    """The basic group before a supergroup, where the archive has it, it can be read, and each names the other."""
    older = snapshot.about.migrated_from
    if older is None or not -CHANNEL_MARK < older < 0 or snapshot.marked_id > -CHANNEL_MARK:
        return None
    found = chat_beside(snapshot.root, older)
    return found if found is not None and found.about.migrated_to == snapshot.marked_id else None


def newer_half(snapshot: ChatSnapshot) -> ChatSnapshot | None:
    """The supergroup behind a basic group, under the same conditions."""
    newer = snapshot.about.migrated_to
    if newer is None or newer > -CHANNEL_MARK or not -CHANNEL_MARK < snapshot.marked_id < 0:
        return None
    found = chat_beside(snapshot.root, newer)
    return found if found is not None and found.about.migrated_from == snapshot.marked_id else None


def with_halves(archive: ArchiveReader, chats: list[int]) -> list[int]:
    """These chats, and the other half of each that is one of two, where the archive has it."""
    known, found = set(archive.marked_ids()), set(chats)
    for chat in known & found:
        try:
            about = archive.chat(chat).about
        except TgbulkError:
            continue  # it fails by itself
        found |= known & {about.migrated_from, about.migrated_to}
    return sorted(found)


def halves_together(chats: list[ChatDone]) -> list[list[ChatDone]]:
    """Each chat, the two halves of a group together, the older one first."""
    known, older = {chat.marked_id: chat for chat in chats}, {}
    for chat in chats:
        half = older_half(chat.snapshot)
        if half is not None and half.marked_id in known:
            older[chat.marked_id] = known[half.marked_id]
    first = {chat.marked_id for chat in older.values()}
    return [[*filter(None, [older.get(chat.marked_id)]), chat] for chat in chats if chat.marked_id not in first]


def chat_beside(root: Path, chat: int) -> ChatSnapshot | None:
    """Another chat of an archive, where it has it and it can be read."""
    journal = Archive(root).journal
    about = journal.stat() if journal.exists() else None
    try:
        return _reader(root, 0 if about is None else about.st_size, 0 if about is None else about.st_mtime_ns).chat(
            chat).snapshot
    except (TgbulkError, OSError):
        return None


@lru_cache(maxsize=1)
def _reader(root: Path, size: int, changed: int) -> ArchiveReader:
    """size, changed: of the journal, so that it is read once."""
    return ArchiveReader(root)
