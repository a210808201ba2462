"""Chats that come from elsewhere, another archive or a store, into an archive that nobody writes to meanwhile."""
from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from tgbulk.engine import document
from tgbulk.engine.durable import make_folder, open_new, sync, sync_folder, write_all, write_whole
from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import Place
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.account import is_common
from tgbulk.stages.archive.annex import AnnexAbout, AnnexName
from tgbulk.stages.archive.committed import MESSAGES
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.quarantine import Quarantine
from tgbulk.stages.archive.row import OPEN, PLACES, ChatRow, LastRows


class WrongCopyError(StorageError):
    """{0}: what came for it is not what was committed"""

    advice = "Where it comes from is damaged; tgbulk verify says whether an archive is."


def carried(row: ChatRow) -> ChatRow:
    """What another archive says of the same chat: all its ranges lie in one file, and nobody knows there which changes its
    accounts were told of meanwhile. A channel has a count of its own, with which it can be asked."""
    unlooked = [] if is_common(row.marked_id) else row.unlooked
    return replace(row, joined=len(row.ranges), looked=0, unlooked=unlooked)


class Restored:
    """An archive, to add chats to. Its lock is the caller's."""

    def __init__(self, archive: Archive) -> None:
        """DamagedJournalError, OSError."""
        self.archive = archive
        rows = LastRows()
        self._journal = Journal(archive.journal, rows.take)
        self.rows = rows.chats()

    def add(
        self, row: ChatRow, about: Mapping[str, Any], files: Mapping[str, Iterable[bytes]], raw: Mapping[str, bytes],
        annexes: Mapping[str, Any],
    ) -> None:
        """Write one chat and commit it; one that is there goes first. WrongCopyError, OSError.

        row, about, raw, annexes: as CommittedChat has them. files: the bytes of each, of messages those of all ranges. When
        it is killed, the chat is unfinished, and is to be added again.
        """
        whole = carried(row)
        folder = self.archive.chat(row.marked_id)
        make_folder(folder.path)
        write_whole(folder.about, document.dump({"id": row.marked_id, "state": OPEN}))
        if row.marked_id in self.rows:
            self._journal.append([ChatRow(row.marked_id, row.account).pack()])
        folder.annexes.unlink(missing_ok=True)
        for place in [*folder.path.glob("*.jsonl"), *folder.segments.glob()]:
            place.unlink()
        parsed = [AnnexAbout.from_document(str(AnnexName(name)), found) for name, found in annexes.items()]
        for one in parsed:
            place = folder.annex(one.name)
            _write(place, files.get(place.name, ()), [(one.size, one.crc)])
        ranges = [(one.size, one.crc) for one in whole.ranges]
        _write(folder.messages, files.get(MESSAGES, ()), ranges)
        for place, size, crc in whole.growing(folder):
            _write(place, files.get(place.name, ()), [(size, crc)])
        sync_folder(folder.path)
        self._keep_raw(whole, raw)
        if len(whole.pack()) > PLACES:
            self.archive.raise_format()
        self._journal.append([whole.pack()])
        if annexes:
            write_whole(folder.annexes, document.dump(dict(annexes)))
        write_whole(folder.about, document.dump(dict(about)))
        self.rows[row.marked_id] = whole

    def close(self) -> None:
        self._journal.close()

    def _keep_raw(self, row: ChatRow, raw: Mapping[str, bytes]) -> None:
        quarantine = Quarantine(self.archive.quarantine, row.marked_id)
        for gap in row.quarantined:
            for place in quarantine.files(gap):
                make_folder(place.parent)
                write_whole(place, raw[place.name])


def _write(place: Place, data: Iterable[bytes], sums: list[tuple[int, int]]) -> None:
    """A file of these bytes, which must have these sizes and checksums, one behind the other."""
    descriptor = open_new(place)
    try:
        found, offset = [], 0
        left = list(sums)
        size = crc = 0
        for chunk in data:
            write_all(descriptor, chunk, offset)
            offset += len(chunk)
            view = memoryview(chunk)
            while view:
                if not left:
                    raise WrongCopyError(place)
                taken = view[: left[0][0] - size]
                size, crc, view = size + len(taken), crc32(taken, crc), view[len(taken) :]
                if size == left[0][0]:
                    found.append((size, crc))
                    size = crc = 0
                    left.pop(0)
        found += [(0, 0)] * (len(sums) - len(found))
        if found != sums:
            raise WrongCopyError(place)
        sync(descriptor, place)
    finally:
        os.close(descriptor)
