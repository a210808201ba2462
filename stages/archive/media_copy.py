"""The index of media where it cannot be read in its place: a run was killed within a transaction, or there is a
write-ahead log.

SQLite then wants to write before it reads, and to read an archive must not change it. So the database is copied with what
lies beside it, SQLite sets the copy right, and nothing but an open file is left of it.
"""
from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tgbulk.engine.folder import Place

#: Behind the name of a database: what SQLite needs to set it right (https://sqlite.org/tempfiles.html).
_BESIDE = ("-journal", "-wal")
#: The index of a write-ahead log, which is there while a program has the database open.
_SHARED = "-shm"
#: How often a copy is tried that a run changed meanwhile, and the seconds between.
ATTEMPTS = 50
APART = 0.1
#: Where a database says whether it has a write-ahead log (https://sqlite.org/fileformat2.html, 1.3.3), and that it has.
_LOGGED = slice(18, 20), b"\2\2"
_CHUNK = 1 << 20

#: What a file and those beside it are: changes when anybody writes to them.
Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp(database: Place) -> Stamp:
    return tuple(map(_about, (database, *_beside(database))))


def needs_copy(database: Place) -> bool:
    """Whether SQLite would leave files beside it: a write-ahead log that no program has open. OSError."""
    with database.reader() as file:
        where, logged = _LOGGED
        return file.read(where.stop)[where] == logged and not database.with_name(database.name + _SHARED).exists()


def open_copy(database: Place) -> tuple[sqlite3.Connection, Stamp]:
    """(the database as it was after its last whole transaction, what it was copied from). sqlite3.Error, OSError.

    A temporary folder has to have room for it.
    """
    for _ in range(ATTEMPTS):
        with TemporaryDirectory(prefix="tgbulk-") as folder:
            before = stamp(database)
            path = Path(folder) / database.name
            _copy(database, path)
            if stamp(database) == before:
                return _opened(path), before
        time.sleep(APART)
    raise sqlite3.OperationalError("another program keeps writing to it")


def _opened(path: Path) -> sqlite3.Connection:
    """Set right, and without need of a file beside it, so that its folder can go."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("pragma journal_mode = delete").fetchone()
        writing.execute("select count(*) from sqlite_master").fetchone()
    connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True, isolation_level=None)
    connection.execute("select count(*) from sqlite_master").fetchone()
    return connection


def _copy(database: Place, path: Path) -> None:
    """The files beside it first: a journal that is gone when the database is read was rolled back in it."""
    for one in (*_beside(database), database):
        try:
            with one.reader() as source, open(path.with_name(one.name), "wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
        except FileNotFoundError:
            if one == database:
                raise


def _beside(database: Place) -> Iterator[Place]:
    return (database.with_name(database.name + one) for one in _BESIDE)


def _about(place: Place) -> tuple[int, int, int] | None:
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
