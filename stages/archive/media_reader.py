"""The index of media, read only: where the file of a photo or document is, and what became of it.

Nothing here holds a lock for longer than one small query, so that a run that is going on can commit.
"""
from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from tgbulk.engine.error import NewerFormatError, StorageError, file_error
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.media_copy import Stamp, needs_copy, open_copy, stamp
from tgbulk.stages.archive.media_index import FORMAT, DamagedIndexError
from tgbulk.stages.archive.video_index import VIDEO_TABLE

#: Seconds to wait for a run that commits.
PATIENCE = 30.0
#: Rows of one query.
ROWS = 500
#: SQLite's codes for a database that it would have to write to before it reads: READONLY, CANTOPEN.
_WOULD_WRITE = {8, 14}

#: kind (photo, document, peer_photo), id, letter of the size ("" for the document itself)
Key = tuple[str, int, str]

_COLUMNS = "kind, id, letter, category, size, date, path, state, file.reason, hex(file.sha256)"
#: A video that took its original's place; `original` is 0 while that is there.
_MADE = "output, output_size, hex(output_sha256)"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file as the archive knows it."""

    kind: str
    id: int
    letter: str
    category: str
    #: bytes, -1 while it is not known
    size: int
    #: Unix seconds, 0 unknown
    date: int
    #: below the archive; it is there when `done`
    path: Path
    #: pending, done, failed, unavailable, skipped or damaged
    state: str
    reason: str
    #: lower-case hex of a file that is done, else ""
    sha256: str

    @property
    def done(self) -> bool:
        return self.state == "done"

    @property
    def digest(self) -> int:
        """CRC-32 of its key, and of what a reader can see of what became of it."""
        said = f"{self.kind} {self.id} {self.letter} {self.state} {self.reason} {self.path} {self.size} {self.sha256}"
        return crc32(said.encode("utf-8", "surrogateescape"))


class MediaReader:
    """Looks up files; an archive without media has none."""

    def __init__(self, path: Path | Place) -> None:
        """path: media.sqlite, which need not be there. StorageError, NewerFormatError, DamagedIndexError."""
        self._path = Place.of(path)
        self._database: sqlite3.Connection | None = None
        self._select = ""
        #: whether there is a table of what became of videos
        self.has_videos = False
        #: what a copy was made from; None: the index is read in its place
        self._copied: Stamp | None = None
        if self._path.exists():
            self._open()

    @property
    def empty(self) -> bool:
        return self._database is None

    def find(self, keys: Sequence[Key]) -> dict[Key, MediaFile]:
        """What is known of these files. StorageError."""
        found: dict[Key, MediaFile] = {}
        wanted: dict[str, set[int]] = {}
        for kind, number, _ in keys:
            wanted.setdefault(kind, set()).add(number)
        for kind, numbers in wanted.items():
            ids = list(numbers)
            for start in range(0, len(ids), ROWS):
                some = ids[start : start + ROWS]
                marks = ", ".join("?" * len(some))
                for row in self.rows(f"{self._select} where kind = ? and id in ({marks})", (kind, *some)):
                    one = _file(row)
                    found[one.kind, one.id, one.letter] = one
        return {key: found[key] for key in keys if key in found}

    def get(self, kind: str, number: int, letter: str = "") -> MediaFile | None:
        return self.find([(kind, number, letter)]).get((kind, number, letter))

    def files(self) -> Iterator[MediaFile]:
        """Every file, in the order in which they were met. StorageError."""
        last = 0
        while rows := self.rows(f"{self._select} where number > ? order by number limit ?", (last, ROWS), "number, "):
            for number, *row in rows:
                yield _file(row)
                last = number

    def states(self) -> dict[int, list[tuple[int, int]]]:
        """By chat: (message, the file's digest) of each file, by the newest message that has it, ascending.

        Two that are equal name the same files in the same state. StorageError.
        """
        found: dict[int, list[tuple[int, int]]] = {}
        statement = (
            f"{self._select} join origin on origin.file = number where (number, chat) > (?, ?) order by number, chat limit ?"
        )
        last = 0, 0
        while rows := self.rows(statement, (*last, ROWS), "number, chat, message, "):
            for number, chat, message, *row in rows:
                found.setdefault(chat, []).append((message, _file(row).digest))
                last = number, chat
        for some in found.values():
            some.sort()
        return found

    def pictures(self) -> dict[int, str]:
        """Photo id of each peer's picture that is there -> its path below media/. StorageError."""
        rows = self.rows("select id, path from file where kind = 'peer_photo' and state = 'done' order by id", ())
        return dict(rows)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
        self._database = self._copied = None

    def _open(self) -> None:
        """In its place where SQLite can read there without writing, else a copy (media_copy.py)."""
        self.close()
        try:
            try:
                if needs_copy(self._path):
                    self._database, self._copied = open_copy(self._path)
                else:
                    self._open_in_place()
                self._look()
            except sqlite3.OperationalError as error:
                if self._copied is not None or error.sqlite_errorcode & 0xFF not in _WOULD_WRITE:
                    raise
                self.close()
                self._database, self._copied = open_copy(self._path)
                self._look()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except OSError as error:
            raise file_error(error, self._path) from error

    def _open_in_place(self) -> None:
        self._database = sqlite3.connect(
            f"{self._path.path.absolute().as_uri()}?mode=ro", uri=True, timeout=PATIENCE, isolation_level=None
        )

    def _look(self) -> None:
        """What is in it. sqlite3.Error, NewerFormatError."""
        assert self._database is not None
        (found,) = self._database.execute("pragma user_version").fetchone()
        if found > FORMAT:
            raise NewerFormatError(self._path, found, FORMAT)
        if not self._database.execute("select 1 from sqlite_master where name = 'file'").fetchone():
            self.close()  # a run was killed when it had just begun it
            return
        made = self._database.execute(f"select 1 from sqlite_master where name = '{VIDEO_TABLE}'").fetchone()
        self.has_videos = bool(made)
        join = f"left join {VIDEO_TABLE} made on made.file = number and original > 0 and output <> ''" if made else ""
        self._select = f"select {{}}{_COLUMNS}, {_MADE if made else 'null, null, null'} from file {join}"

    def rows(self, statement: str, values: tuple[Any, ...], more: str = "") -> list[tuple[Any, ...]]:
        """What a small query finds; `more` stands for {} in it. StorageError."""
        if self._copied is not None and stamp(self._path) != self._copied:
            self._open()  # a run has set it right since
        if self._database is None:
            return []
        try:
            return self._database.execute(statement.replace("{}", more), values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _WOULD_WRITE:
                raise self._failure(error) from error
        except sqlite3.Error as error:
            raise self._failure(error) from error
        self._open()  # a run that wrote to it was killed
        try:
            return [] if self._database is None else self._database.execute(statement.replace("{}", more), values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StorageError:
        kind = StorageError if isinstance(error, sqlite3.OperationalError) else DamagedIndexError
        return kind(self._path, error)


def _file(row: Sequence[Any]) -> MediaFile:
    """Of a row of `_select`. A video that took its original's place is the file."""
    kind, number, letter, category, size, date, path, state, reason, sha256, output, output_size, output_sha256 = row
    if output is not None:
        path, size, sha256 = output, output_size, output_sha256
    return MediaFile(
        kind, number, letter, category, size, date, Path("media", path), state, reason,
        sha256.lower() if state == "done" else "",
    )
