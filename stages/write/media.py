"""Media as write sees them: rows come with pages or from older lines, fetch asks for them and tells what became of them."""
from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import msgpack

from stages.film import FilmsStated
from stages.medium import MediaProgress, MediaSelection, MediaStated
from stages.receipt import Batch
from stages.telegram.chat import ChatRecord
from stages.transcode.config import TranscodeConfig
from stages.write.film import FilmIndex
from stages.write.index import SHOWN, MediaIndex
from stages.write.scan import Ranges, Scan, merged, without

#: Above every id.
OPEN = 1 << 62


class Media:
    """The index, and which messages of each chat it knows."""

    def __init__(self, path: Path, selection: MediaSelection, films: TranscodeConfig | None = None) -> None:
        """Open or create the index. StorageError; OSError for an original that is to go and cannot."""
        self._index = MediaIndex(path, selection)
        folder = path.parent / "media"
        self._films = FilmIndex(self._index.execute, SHOWN, folder, films) if films else None
        #: chat -> id ranges whose media are in the index
        self._known: dict[int, Ranges] = {}
        #: chat -> id ranges whose lines were there before, without their media
        self._missing: dict[int, Ranges] = {}
        self._changed: set[int] = set()
        self._scans: deque[Scan] = deque()
        #: whether there is anything to commit
        self.dirty = False

    def begin(self, record: ChatRecord, covered: Ranges) -> None:
        """A chat was opened, of which the archive holds these ids."""
        chat = record.marked_id
        first, last = record.asked or (1, 0)
        known = self._known[chat] = self._index.scanned(chat)
        asked = [[max(low, first), min(high, last + 1 if last else OPEN)] for low, high in covered]
        self._missing[chat] = without([one for one in asked if one[0] < one[1]], known)
        self._index.want(chat, first, last or OPEN)

    def page(self, chat: int, account: int, mark: int, following: int, media: list[Any], absent: list[Any]) -> None:
        """A page of the chat with every id from mark to below `following`, read by this account."""
        self._index.add(chat, account, media, absent)
        self._know(chat, [[mark, following]])

    def end(self, chat: int, folder: Path) -> None:
        """A chat's files have their last state of this run."""
        missing = self._missing.pop(chat)
        if missing:
            self._scans.append(Scan(folder, chat, missing))

    def ask(self, question: bytes) -> Batch:
        """Take in outcomes, hand out what waits."""
        outcomes, cursor, wanted = msgpack.unpackb(question)
        if outcomes:
            self._index.settle(outcomes)
            self.dirty = True
        if not wanted:
            return Batch([], cursor)
        rows, cursor = self._index.next(cursor)
        if not rows and self._scans:
            self._scan(self._scans[0])
            rows, cursor = self._index.next(cursor)
        return Batch(rows, cursor, bool(rows or self._scans))

    def ask_films(self, question: bytes) -> Batch:
        """The same for films, of a run that makes some."""
        assert self._films is not None
        self.dirty = True
        return self._films.ask(question)

    def commit(self) -> None:
        """Make everything durable; then the originals of films go that are to go."""
        for chat in self._changed:
            self._index.keep_scanned(chat, self._known[chat])
        self._changed.clear()
        self._index.commit()
        self.dirty = self._films is not None and self._films.remove_originals()

    def progress(self) -> MediaProgress:
        progress = self._index.progress()
        progress.films = self._films.answered if self._films else 0
        return progress

    def films_stated(self) -> FilmsStated | None:
        """What became of films, None of a run that makes none."""
        return self._films.stated() if self._films else None

    def close(self) -> MediaStated:
        """Commit and close; what became of everything."""
        self.commit()
        stated = self._index.stated()
        if self.dirty:
            self._index.commit()
        self.abandon()
        return stated

    def abandon(self) -> None:
        """Close, as it was committed last."""
        for scan in self._scans:
            scan.close()
        self._scans.clear()
        self._index.close()

    def _scan(self, scan: Scan) -> None:
        media, absent, over = scan.step()
        self._index.add(scan.chat, 0, media, absent)
        self.dirty = True
        if over:
            self._know(scan.chat, scan.wanted)
            self._scans.popleft().close()

    def _know(self, chat: int, ranges: Ranges) -> None:
        self._known[chat] = merged([*self._known[chat], *ranges])
        self._changed.add(chat)
        self.dirty = True
