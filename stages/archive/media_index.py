"""The index of media: every file that messages of the archive speak of, and what became of it. A SQLite database.

Rows are durable before the journal speaks of the messages they come from. So a crash can leave rows whose messages come
again, never messages without their rows.
"""
from __future__ import annotations

import os
import sqlite3
from collections import Counter, defaultdict
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgpack

from tgbulk.engine.error import NewerFormatError, StorageError, file_error
from tgbulk.engine.folder import Place
from tgbulk.engine.heartbeat import beat
from tgbulk.stages.archive.id_range import EVERYTHING, IdRange
from tgbulk.stages.archive.index_sum import keep_sum, remove_sum, what_is_wrong
from tgbulk.stages.telegram.medium import (
    FoundMedia,
    MediaItem,
    MediaOutcome,
    MediaProgress,
    MediaSelection,
    MediaStated,
    Medium,
    Origin,
)

#: Of the database, as its user_version.
FORMAT = 1
#: Items that fetch gets at a time, and the bytes of those that carry their file.
ITEMS = 200
INLINE_BYTES = 256 * 1024
#: Chats and messages kept of each file, to ask for a fresh reference.
ORIGINS = 3
#: Failed files that the summary names.
EXAMPLES = 50
#: Steps of SQLite's machine after which a long statement shows that it goes on.
BEAT_STEPS = 1_000_000

_SCHEMA = """
create table if not exists file (
  number integer primary key,
  kind text not null, id integer not null, letter text not null,
  category text not null, size integer not null, date integer not null, dc integer not null, path text not null,
  state text not null, reason text not null, sha256 blob,
  account integer not null, access_hash integer not null, reference blob not null, inline blob not null,
  peer integer not null,
  unique (kind, id, letter)
);
create index if not exists pending on file (number) where state = 'pending';
create index if not exists failed on file (number) where state = 'failed';
create index if not exists damaged on file (number) where state = 'damaged';
create table if not exists origin (
  file integer not null, chat integer not null, message integer not null, primary key (file, chat)
) without rowid;
create table if not exists absent (
  chat integer not null, message integer not null, reason text not null, primary key (chat, message, reason)
) without rowid;
create table if not exists scanned (chat integer primary key, ranges blob not null);
create table if not exists setting (name text primary key, value text not null) without rowid;
create temp table wanted (
  chat integer not null, first integer not null, last integer not null, primary key (chat, first)
) without rowid;
"""
_ADD = """
insert into file (kind, id, letter, category, size, date, dc, path, access_hash, reference, inline, peer, account, state,
                  reason)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (kind, id, letter) do update set
  account = excluded.account, access_hash = excluded.access_hash,
  reference = case when excluded.reference = x'' and account = excluded.account then reference else excluded.reference end,
  category = case when category = 'preview' then excluded.category else category end,
  reason = case when state = 'skipped' then excluded.reason else reason end,
  state = case when state = 'skipped' or (state = 'unavailable' and excluded.reference <> x'') then excluded.state
          else state end
  where state <> 'done'
"""
_ORIGIN = """
insert into origin select number, ?, ? from file where kind = ? and id = ? and letter = ?
on conflict (file, chat) do update set message = max(message, excluded.message)
"""
#: Whether a row of `file` belongs to this run's chats.
SHOWN = """exists (
  select 1 from origin join wanted using (chat) where file = number and (message = 0 or message between first and last)
)"""
_NEXT = f"""
select number, account, kind, id, letter, category, size, date, dc, path, access_hash, reference, inline, peer
from file where state = '{{state}}' and number > ? and {SHOWN} order by number limit ?
"""
_COUNTS = f"select state, reason, count(*) from file where {SHOWN} group by state, reason"
_ABSENT = """
select reason, count(*) from absent join wanted using (chat) where message between first and last group by reason
"""


#: What of a medium is a column of its row, in the order of the statement above.
_fields = attrgetter(*[name for name in Medium.__slots__ if name != "message"])


class DamagedIndexError(StorageError):
    """{0} is damaged: {1}"""

    advice = "Delete it: the next export with media rebuilds it, and keeps the files that are there."


class MediaIndex:
    """Opened by the one process that writes the archive."""

    def __init__(self, path: Path | Place, selection: MediaSelection, damaged: bool = False) -> None:
        """Open or create, and judge again what earlier runs left out; or judge nothing, and hand out only what was damaged.

        StorageError, DamagedIndexError, NewerFormatError.
        """
        self._path = path = Place.of(path)
        self._selection = selection
        self._waiting = "damaged" if damaged else "pending"
        #: this run's counts
        self.files = self.bytes = self.received = 0
        self._examples: list[list[str]] = []
        self._prepare(path)
        try:
            self._database = sqlite3.connect(path.path, isolation_level=None)
            self._database.set_progress_handler(beat, BEAT_STEPS)
            self._database.execute("pragma synchronous = full")
            (found,) = self._database.execute("pragma user_version").fetchone()
            if found > FORMAT:
                raise NewerFormatError(path, found, FORMAT)
            self._database.executescript(_SCHEMA)
            self._database.execute(f"pragma user_version = {FORMAT}")
            self._database.execute("begin immediate")
            if not damaged:
                self._judge_again()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    @staticmethod
    def _prepare(path: Place) -> None:
        """SQLite follows links, and finds no byte that was changed within a row."""
        try:
            if path.exists():
                os.close(path.open(os.O_RDWR))
                if wrong := what_is_wrong(path):
                    raise DamagedIndexError(path, wrong)
            remove_sum(path)
        except OSError as error:
            raise file_error(error, path) from error

    def want(self, chat: int, *ids: IdRange) -> None:
        """Hand out what these messages of this chat speak of; all of them for none."""
        self.execute("delete from wanted where chat = ?", (chat,))
        for one in ids or (EVERYTHING,):
            self.execute("insert into wanted values (?, ?, ?)", (chat, one.lo, one.hi - 1))

    def scanned(self, chat: int) -> list[IdRange]:
        """The ids of a chat whose media are here."""
        row = self.execute("select ranges from scanned where chat = ?", (chat,)).fetchone()
        return IdRange.from_pairs(msgpack.unpackb(row[0])) if row else []

    def keep_scanned(self, chat: int, ranges: list[IdRange]) -> None:
        packed = msgpack.packb([one.pair() for one in ranges])
        self.execute("insert or replace into scanned values (?, ?)", (chat, packed))

    def add(self, chat: int, account: int, found: FoundMedia) -> None:
        """Take in the media of messages. `account`: whose access hashes they have."""
        files, origins = [], []
        for medium in found.media:
            reason = self._selection.refusal(medium.category, medium.size)
            files.append((*_fields(medium), account, "skipped" if reason else "pending", reason))
            origins.append((chat, medium.message, medium.kind, medium.id, medium.letter))
        nowhere = [(chat, one.message, one.reason) for one in found.absent]
        try:
            self._database.executemany(_ADD, files)
            self._database.executemany(_ORIGIN, origins)
            self._database.executemany("insert or ignore into absent values (?, ?, ?)", nowhere)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def settle(self, outcomes: list[MediaOutcome]) -> None:
        """Note what became of files."""
        for one in outcomes:
            self.received += one.received
            self.execute(
                "update file set state = ?, reason = ?, sha256 = ?, reference = x'', inline = x'',"
                " size = case ? when 'done' then ? else size end where number = ?",
                (one.state, one.reason, one.sha256 or None, one.state, one.size, one.number),
            )
            if one.state == "done":
                self.files += 1
                self.bytes += one.size
            if one.state == "failed" and len(self._examples) < EXAMPLES:
                path = self.execute("select path from file where number = ?", (one.number,)).fetchone()
                self._examples.append([path[0], one.reason])

    def take_back(self, path: str) -> None:
        """A file is not there as it was: it is to come again. A video that was made is forgotten, to be made again."""
        lost = "update file set state = 'damaged', sha256 = null where state in ('done', 'failed')"
        self.execute(f"{lost} and path = ?", (path,))
        if self.execute("select 1 from sqlite_master where name = 'film'").fetchone():
            # Where it had taken the original's place, that comes again.
            self.execute(f"{lost} and number in (select file from film where output = ? and original > 0)", (path,))
            self.execute("delete from film where output = ?", (path,))

    def exit_status(self, path: str) -> tuple[str, str]:
        """(state, reason) of a file; empty where that is none that came."""
        found = self.execute("select state, reason from file where path = ?", (path,)).fetchone()
        return found or ("", "")

    def damaged(self) -> list[int]:
        """The chats that speak of damaged files."""
        rows = self.execute("select distinct chat from origin join file on file = number where state = 'damaged'")
        return [chat for chat, in rows.fetchall()]

    def next(self, cursor: int) -> tuple[list[MediaItem], int]:
        """(files that wait, the number up to which was looked)."""
        items, size = [], 0
        for number, account, *fields in self.execute(_NEXT.format(state=self._waiting), (cursor, ITEMS)).fetchall():
            origins = self.execute(
                "select distinct chat, message from origin join wanted using (chat) where file = ? "
                "order by message desc limit ?",
                (number, ORIGINS),
            ).fetchall()
            items.append(MediaItem(number, account, [Origin(*origin) for origin in origins], Medium(*fields)))
            cursor = number
            size += len(fields[10])
            if size > INLINE_BYTES:
                break
        return items, cursor

    def progress(self) -> MediaProgress:
        return MediaProgress(self.files, self.bytes)

    def stated(self) -> MediaStated:
        """What became of the media of this run's chats."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for state, reason, count in self.execute(_COUNTS):
            counts[state][reason] += count
        for reason, count in self.execute(_ABSENT):
            counts["unavailable"][reason] += count
        return MediaStated(
            self.files,
            self.bytes,
            self.received,
            counts["done"].total() - self.files,
            counts["pending"].total(),
            dict(counts["skipped"]),
            dict(counts["unavailable"]),
            dict(counts["failed"]),
            self._examples,
        )

    def commit(self) -> None:
        """Make everything durable."""
        self.execute("commit")
        self.execute("begin immediate")

    def close(self) -> None:
        """Without what was not committed."""
        self._database.close()
        try:
            keep_sum(self._path)
        except OSError as error:
            raise file_error(error, error.filename or self._path) from error

    def _judge_again(self) -> None:
        """What failed or is lost is tried again; what an earlier run did not want may be wanted now, and the other way
        round."""
        said = repr((sorted(self._selection.categories), self._selection.max_size))
        for state in ("failed", "damaged"):
            self.execute(f"update file set state = 'pending', reason = '' where state = '{state}'")
        before = self.execute("select value from setting where name = 'selection'").fetchone()
        if before != (said,):
            self._database.create_function("refusal", 2, self._selection.refusal, deterministic=True)
            self.execute("update file set reason = refusal(category, size) where state in ('pending', 'skipped')")
            self.execute("update file set state = iif(reason = '', 'pending', 'skipped')"
                          " where state in ('pending', 'skipped')")
            self.execute("insert or replace into setting values ('selection', ?)", (said,))

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StorageError:
        """Full disks and the like are operational; what else SQLite finds wrong is the file."""
        kind = StorageError if isinstance(error, sqlite3.OperationalError) else DamagedIndexError
        return kind(self._path, error)
