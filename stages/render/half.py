"""The two halves of a group that became a supergroup: chats of their own in an archive, one chat for people."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.reader import ArchiveReader, ChatSnapshot
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Archives of one render that stay open.
ARCHIVES = 64
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


def with_halves(archive: Catalogue, chats: list[int]) -> list[int]:
    """These chats, and the other half of each that is one of two, where the archive has it."""
    known, found = set(archive.marked_ids()), set(chats)
    for chat in known & found:
        try:
            about = archive.chat(chat).about
        except TgbulkError:
            continue  # it fails by itself
        halves = known & {about.migrated_from, about.migrated_to}
        found |= {half for half in halves if archive.of(half) is archive.of(chat)}
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
    try:
        return _reader_of(root).chat(chat).snapshot
    except (TgbulkError, OSError):
        return None


def row_beside(root: Path, chat: int | None) -> ChatRow | None:
    """What is committed of another chat of an archive, whether or not it can be read. StorageError, OSError."""
    return None if chat is None else _reader_of(root).row(chat)


def _reader_of(root: Path) -> ArchiveReader:
    journal = Archive(root).journal
    return _reader(root, journal.stat().st_ino if journal.exists() else 0)


@lru_cache(maxsize=ARCHIVES)
def _reader(root: Path, journal: int) -> ArchiveReader:
    """It reads on in its journal by itself, unless that is another file by now. journal: its inode."""
    return ArchiveReader(root)
