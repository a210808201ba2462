"""Session files: where they are, who may read them, who uses them.

    HOME/sessions/telegram/NAME.session             Telethon's SQLite session, mode 0600
    HOME/sessions/<key fingerprint>/NAME.session    the same for another server
    .../NAME.lock                                   held by the one process that uses it
    .../NAME.peers                                  input peers that it has met, a cache
    .../NAME.pace                                   how fast it may ask, as far as it was learnt
    .../.NAME.login.session                         a login that is not finished

A session file is a complete login: who can read it is that account. So the folders are 0700, and a file or folder that
others can read, or that somebody else owns, is refused.
"""
from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tgbulk.engine.error import StorageError, file_error
from tgbulk.engine.lock import Lock
from tgbulk.engine.modes import how_to_close
from tgbulk.stages.fetch.error import AccountNameError, UnsafeSessionError
from tgbulk.stages.fetch.server import Server

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
TELEGRAM = "telegram"


@dataclass(frozen=True, slots=True)
class Session:
    """The files of one account on one server."""

    folder: Path
    account: str

    @classmethod
    def of(cls, home: Path, server: Server | None, account: str) -> Session:
        """Where the account's session is or would be; AccountNameError."""
        if not NAME.fullmatch(account):
            raise AccountNameError(account)
        return cls(home / "sessions" / (TELEGRAM if server is None else server.fingerprint), account)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.account}.session"

    @property
    def peers(self) -> Path:
        """The account's peer cache (stages/fetch/peer_cache.py)."""
        return self.folder / f"{self.account}.peers"

    @property
    def pace(self) -> Path:
        """How fast the account may ask (stages/fetch/pace.py)."""
        return self.folder / f"{self.account}.pace"

    @property
    def draft(self) -> Path:
        """A login in progress; the dot keeps it out of the accounts."""
        return self.folder / f".{self.account}.login.session"

    @property
    def lock(self) -> Lock:
        """Not yet acquired."""
        return Lock(self.folder / f"{self.account}.lock", f"account {self.account}")

    def exists(self) -> bool:
        """False where there is none; UnsafeSessionError where its files or folders are not ours alone."""
        for folder in (self.folder.parent, self.folder):
            if not _is_private(folder, stat.S_ISDIR):
                return False
        return _is_private(self.path, stat.S_ISREG)

    def make_folder(self) -> None:
        """Make what is missing of the folders, 0700; UnsafeSessionError for what is there and not private."""
        try:
            self.folder.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.folder.parent, self.folder):
                folder.mkdir(exist_ok=True, mode=0o700)
                _is_private(folder, stat.S_ISDIR)
        except OSError as error:
            raise StorageError(error.filename, f"cannot be made: {error.strerror}") from error

    def make_draft(self) -> Path:
        """An empty file for a new login. SQLite gives its journal the mode of this file."""
        self.discard_draft()
        try:
            os.close(os.open(self.draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise StorageError(self.draft, f"cannot be made: {error.strerror}") from error
        return self.draft

    def keep_draft(self) -> None:
        """The login is done: it becomes the account's session."""
        os.replace(self.draft, self.path)

    def discard_draft(self) -> None:
        _remove(self.draft)

    def remove(self, lock: Lock) -> None:
        """Delete the session and then its lock, which the caller holds."""
        _remove(self.path)
        self.peers.unlink(missing_ok=True)
        self.pace.unlink(missing_ok=True)
        lock.remove()

    def user(self) -> tuple[int | None, str | None]:
        """(user id, display name) that the file remembers, offline; None for what it does not know."""
        import sqlite3

        try:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
            try:
                # Telethon keeps the own id as the hash of the entity with id 0.
                row = connection.execute(
                    "select id, name from entities where id = (select hash from entities where id = 0)"
                ).fetchone()
            finally:
                connection.close()
        except sqlite3.Error:
            return None, None
        return row or (None, None)


def list_sessions(home: Path) -> Iterator[Session]:
    """Every session on this machine's `home`, of every server, ordered by server and name."""
    try:
        paths = sorted((home / "sessions").glob("*/*.session"))
    except OSError as error:
        raise file_error(error, home) from error
    for path in paths:
        if NAME.fullmatch(path.stem):
            yield Session(path.parent, path.stem)


def _is_private(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """False where nothing is there; UnsafeSessionError unless it is of that kind, ours, and closed to others."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise file_error(error, path) from error
    if not is_kind(status.st_mode):
        kind = "folder" if is_kind is stat.S_ISDIR else "regular file"
        raise UnsafeSessionError(path, f"it is no {kind}", f"move {path} away")
    if status.st_uid != os.geteuid():
        raise UnsafeSessionError(path, f"it belongs to user {status.st_uid}", f"chown {os.geteuid()} {path}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        right = how_to_close(path, 0o700 if is_kind is stat.S_ISDIR else 0o600)
        raise UnsafeSessionError(path, f"others can read it (mode {mode:04o})", right)
    return True


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        try:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(path, f"cannot be removed: {error.strerror}") from error
