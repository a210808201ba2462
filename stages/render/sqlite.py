"""A SQLite database with a full-text search. Workers make rows; one process writes them, in the order of the messages."""
from __future__ import annotations

import marshal
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, ClassVar
from zlib import crc32

import orjson

from tgbulk.engine.error import StorageError, UsageError
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.column import CHAT_COLUMNS, COLUMNS, GROUPS, LISTS, PEER_COLUMNS, Column, Kind
from tgbulk.stages.render.flat import EMPTY, Row
from tgbulk.stages.render.flat_format import FlatFormat
from tgbulk.stages.render.format import ChatDone, PartDone
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.selection import picker
from tgbulk.stages.render.sqlite_schema import APPLICATION, CHAT_SHIFT, VERSION, afterwards, tables
from tgbulk.stages.render.table import chat_rows, peer_rows
from tgbulk.stages.render.view import View

#: What a part's rows are called in the temporary folder.
_ROWS = "rows"
#: Before each batch of rows. marshal.load would read them in small pieces, which takes longer than all the rest.
_LENGTH = struct.Struct("<Q")
#: The first SQLite with STRICT tables.
_OLDEST = (3, 37, 0)
_KEYS = ("chat_id", "message_id")


class OldSqliteError(UsageError):
    """SQLite {0} is too old: rendering needs 3.37 or newer"""

    advice = "Use a Python with a newer SQLite; python3 -c 'import sqlite3; print(sqlite3.sqlite_version)' shows it."


@dataclass(frozen=True, slots=True)
class Sqlite(FlatFormat):
    """chat.db with all chats, or <chat>.db."""

    name: ClassVar[str] = "sqlite"

    split: str = "none"
    #: the tokenizer
    fts: str = "unicode61"

    @property
    def joins_chats(self) -> bool:
        return self.split == "none"

    def options(self) -> dict[str, Any]:
        return FlatFormat.options(self) | {"fts": self.fts, "sqlite": sqlite3.sqlite_version}

    def check(self, archive: Catalogue) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise OldSqliteError(sqlite3.sqlite_version)

    def context(self, snapshot: ChatSnapshot) -> Any:
        found = FlatFormat.context(self, snapshot)
        if self.joins_chats:
            return found
        # The tables are in the chat's own file.
        return [*found, orjson.loads(orjson.dumps(asdict(snapshot.about))), snapshot.statement.document(),
                _pictures(snapshot.media_path, _stamp(snapshot.media_path))]

    def render(self, part: Part, view: View) -> dict[str, Any]:
        rows = _Rows(_with_keys(self.columns))
        with view.new_file(_ROWS) as file:
            for some in self.rows(part, view):
                data = marshal.dumps(rows.made(some))
                file.write(_LENGTH.pack(len(data)))
                file.write(data)
        return {}

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        if not self.joins_chats:
            name = f"{chat.marked_id}.db"
            with closing(MediaReader(chat.snapshot.media_path)) as media:
                peers = peer_rows([chat.snapshot], media.pictures())
                chat.files[name] = self._build(name, [chat], peers, output)

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        if not self.joins_chats:
            return {}
        ordered = archive.by_newest_peers([chat.snapshot for chat in chats])
        return {"chat.db": self._build("chat.db", chats, peer_rows(ordered, archive.pictures()), output)}

    def _build(self, name: str, chats: list[ChatDone], peers: Iterator[tuple[Any, ...]], output: Output) -> int:
        path = output.new_file()
        try:
            with closing(_open(path)) as database:
                if any(not part.fresh for chat in chats for part in chat.parts):
                    database.execute("ATTACH ? AS before", (str(output.path(name)),))
                database.execute("BEGIN")
                columns = _with_keys(self.columns)
                for statement in tables(columns):
                    database.execute(statement)
                _insert(database, "chat", CHAT_COLUMNS, chat_rows(chats))
                _insert(database, "peer", PEER_COLUMNS, peers)
                filling = _Filling(database, columns, output)
                for place, chat in enumerate(chats):
                    filling.add(place << CHAT_SHIFT, chat)
                for statement in afterwards(columns, self.fts):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute(f"PRAGMA application_id = {APPLICATION}")
                database.execute("COMMIT")
                database.execute("PRAGMA optimize")
                if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    raise StorageError(path, "the database that was made is damaged")
        except sqlite3.Error as error:
            raise StorageError(output.path(name), f"{error} while it was made") from error
        return output.put(name, path)


#: A row of the table of messages: which groups of columns are empty, a bit each, and the values of the others.
_MessageRow = tuple[int, tuple[Any, ...]]


class _Rows:
    """Turns rows of the flat record into those of the tables, whose number is the message's id.

    Empty groups are constants of the statement, since sqlite3 takes longer to bind a null than to store it.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        names = {one.name for one in columns}
        self._all = columns == COLUMNS
        self._pick = picker(columns)
        self._entities, self._reactions = "entities" in names, "reactions" in names

    def made(self, rows: list[Row]) -> tuple[list[_MessageRow], list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Rows of message, entity and reaction."""
        messages: list[_MessageRow] = []
        entities: list[tuple[Any, ...]] = []
        reactions: list[tuple[Any, ...]] = []
        for row in rows:
            number = row[0][1]
            messages.append(self._message(number, row))
            if self._entities and row[1][0]:
                entities += [
                    (number, position, one["type"], one["offset"], one["length"], _value(one))
                    for position, one in enumerate(row[1][0])
                ]
            if self._reactions and row[4][6]:
                reactions += [(number, one["reaction"], one["count"], int(one["chosen"])) for one in row[4][6]]
        return messages, entities, reactions

    def _message(self, number: int, row: Row) -> _MessageRow:
        if not self._all:
            stored = (tuple(_stored(group, changed)) for group, changed in zip(row, _CHANGED, strict=True))
            return 0, (number, *self._pick(tuple(stored)))
        mask, values = 0, [number]
        for place, group in enumerate(row):
            if group is EMPTY[place]:
                mask |= 1 << place
            else:
                values += _stored(group, _CHANGED[place])
        return mask, tuple(values)


#: By group: the places of columns that hold lists or bools.
_CHANGED = [[place for place, one in enumerate(group) if one.kind in LISTS or one.kind == Kind.BOOL] for group in GROUPS]


def _stored(group: tuple[Any, ...], changed: list[int]) -> list[Any]:
    """The values of a group, lists as JSON, bools as numbers."""
    values = list(group)
    for place in changed:
        value = values[place]
        if value is not None:
            values[place] = int(value) if isinstance(value, bool) else orjson.dumps(value).decode() if value else "[]"
    return values


def _insert_message(base: int, columns: tuple[Column, ...], mask: int) -> str:
    """The statement for rows of which these groups are empty."""
    if columns != COLUMNS:
        return f"INSERT INTO message VALUES ({base} + ?, {', '.join('?' * len(columns))})"
    marks = [f"{base} + ?"]
    for place, group in enumerate(GROUPS):
        empty = EMPTY[place]
        if empty is not None and mask >> place & 1:
            marks += ["NULL" if one is None else repr(one) for one in _stored(empty, _CHANGED[place])]
        else:
            marks += ["?"] * len(group)
    return f"INSERT INTO message VALUES ({', '.join(marks)})"


def _value(entity: dict[str, Any]) -> str | None:
    """What an entity has beside its place."""
    for name in ("url", "user_id", "document_id", "language"):
        if entity[name] is not None:
            return str(entity[name])
    return None


class _Filling:
    """Puts messages into a database."""

    def __init__(self, database: sqlite3.Connection, columns: tuple[Column, ...], output: Output) -> None:
        names = {one.name for one in columns}
        self._database = database
        self._output = output
        self._columns = columns
        self._names = ", ".join(one.name for one in columns)
        self._more = [table for table, name in (("entity", "entities"), ("reaction", "reactions")) if name in names]

    def add(self, base: int, chat: ChatDone) -> None:
        """All messages of a chat, whose numbers begin at base."""
        last = 0
        for part in chat.parts:
            if part.fresh:
                with open(chat.temporary(part, _ROWS, self._output), "rb") as file:
                    self._fresh(base, file)
            else:
                self._kept(base, chat.marked_id, last, part)
            last = max(part.last_id, *part.late, 0)

    def _fresh(self, base: int, file: IO[bytes]) -> None:
        statements = [_insert_message(base, self._columns, mask) for mask in range(1 << len(GROUPS))]
        execute = self._database.cursor().execute
        entity = f"INSERT INTO entity VALUES ({base} + ?, ?, ?, ?, ?, ?)"
        # A reaction that Telegram counts twice would be none of its own.
        reaction = (f"INSERT INTO reaction VALUES ({base} + ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " count = count + excluded.count, chosen = max(chosen, excluded.chosen)")
        while head := file.read(_LENGTH.size):
            messages, entities, reactions = marshal.loads(file.read(_LENGTH.unpack(head)[0]))
            for mask, values in messages:
                execute(statements[mask], values)
            if entities:
                self._database.executemany(entity, entities)
            if reactions:
                self._database.executemany(reaction, reactions)

    def _kept(self, base: int, chat: int, after: int, part: PartDone) -> None:
        """From the database of the last render, where the chat may have had another place."""
        where = "chat_id = ? AND message_id > ? AND message_id <= ?"
        until = max(part.last_id, *part.late, 0)
        bounds = chat, after, until
        places = self._database.execute(f"SELECT number - message_id FROM before.message WHERE {where} LIMIT 1", bounds)
        first = places.fetchone()
        if first is None:
            return  # the filter leaves nothing of it
        self._database.execute(
            f"INSERT INTO message SELECT {base} + message_id, {self._names} FROM before.message WHERE {where}"
            " ORDER BY message_id",
            bounds,
        )
        for table in self._more:
            rest = {"entity": "position, type, offset, length, value", "reaction": "reaction, count, chosen"}[table]
            self._database.execute(
                f"INSERT INTO {table} SELECT message - ? + ?, {rest} FROM before.{table} WHERE message > ? AND message <= ?"
                " ORDER BY 1, 2",
                (first[0], base, first[0] + after, first[0] + until),
            )


def _with_keys(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """chat_id and message_id are always there."""
    if columns == COLUMNS:
        return columns
    keys = tuple(one for one in COLUMNS if one.name in _KEYS)
    return keys + tuple(one for one in columns if one.name not in _KEYS)


def _open(path: Path) -> sqlite3.Connection:
    """A new database that nobody else sees and that is thrown away when anything happens."""
    database = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    for pragma in ("page_size = 8192", "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE",
                   "cache_size = -65536", "foreign_keys = OFF"):
        database.execute(f"PRAGMA {pragma}")
    return database


def _insert(
    database: sqlite3.Connection, table: str, columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]]
) -> None:
    places = [place for place, one in enumerate(columns) if one.kind in LISTS]

    def texts() -> Iterator[list[Any]]:
        for row in rows:
            values = list(row)
            for place in places:
                values[place] = orjson.dumps(values[place]).decode()
            yield values

    database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", texts())


def _stamp(path: Place) -> tuple[int, int]:
    try:
        about = path.stat()
    except FileNotFoundError:
        return 0, 0
    return about.st_mtime_ns, about.st_size


@lru_cache(4)
def _pictures(path: Place, stamp: tuple[int, int]) -> int:
    """CRC-32 of the pictures of peers that are there."""
    with closing(MediaReader(path)) as media:
        return crc32(orjson.dumps(sorted(media.pictures().items())))
