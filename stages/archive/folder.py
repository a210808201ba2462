"""An archive's folder: what lies where, its format, and who may write to it."""
from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import PART, make_folder, sync_folder, write_whole
from tgbulk.engine.error import FileRefusedError, NewerFormatError, StorageError, file_error
from tgbulk.engine.folder import Place
from tgbulk.engine.lock import Lock
from tgbulk.engine.version import VERSION
from tgbulk.stages.archive.index_sum import SUM

#: Of everything below the folder. A newer one is refused. An archive has the first until its journal speaks of changes.
FORMAT, FIRST_FORMAT = 2, 1
_ABOUT, _JOURNAL, _CHATS, _RUNS, _LOCK, _LISTED = "archive.json", "journal", "chats", "runs", "lock", "listed.json"
_QUARANTINE, _MEDIA, _MEDIA_INDEX = "quarantine", "media", "media.sqlite"
#: The names of a chat's annexes.
ANNEXES = ("info", "members", "admin_log", "stories")
#: What SQLite leaves beside a database whose writer was killed.
_ROLLBACK = "-journal"
#: Who wrote it, as documents say.
TOOL = f"tgbulk {VERSION}"
#: All that can lie in an archive's folder.
ENTRIES = frozenset({
    _ABOUT, _JOURNAL, _CHATS, _RUNS, _LOCK, _LISTED, _QUARANTINE, _MEDIA, _MEDIA_INDEX, _MEDIA_INDEX + _ROLLBACK,
    _MEDIA_INDEX + SUM,
})


class NotAnArchiveError(StorageError):
    """{0}: it is not empty and {1}"""

    advice = "Name an empty or new folder, or an archive, with -o."


class LostJournalError(StorageError):
    """{0}: it has chats, and no journal that speaks of them"""

    advice = "Restore the journal from a copy, or move the archive away and export again."


@dataclass(frozen=True, slots=True)
class ChatFolder:
    """The files of one chat."""

    path: Place

    @property
    def about(self) -> Place:
        return self.path / "chat.json"

    @property
    def messages(self) -> Place:
        return self.path / "messages.jsonl"

    @property
    def changes(self) -> Place:
        """Later versions and deletions."""
        return self.path / "changes.jsonl"

    @property
    def peers(self) -> Place:
        return self.path / "peers.jsonl"

    @property
    def annexes(self) -> Place:
        """What of the annexes counts."""
        return self.path / "annexes.json"

    def annex(self, name: str) -> Place:
        """One of the annexes (annex.py)."""
        return self.path / f"{name}.jsonl"

    @property
    def segments(self) -> Place:
        """The folder of id ranges that the messages have not reached."""
        return self.path / "segments"

    def segment(self, lo: int) -> Place:
        """Of the range that begins at this id."""
        return self.segments / f"{lo}.jsonl"

    def exists(self) -> bool:
        return self.path.is_dir()

    def has_files(self) -> bool:
        """Whether there are any lines of its own, or were."""
        return bool(self.path.glob("*.jsonl"))

    def has_lines(self) -> bool:
        """Whether anything was ever appended, committed or not."""
        return any(place.stat().st_size for place in self.path.walk() if place.name.endswith(".jsonl"))

    def unknown(self) -> list[Place]:
        """What is none of the files."""
        own = {self.about, self.messages, self.changes, self.peers, self.segments, self.annexes}
        own |= {self.annex(name) for name in ANNEXES}
        return [place for place in self.path.iterdir() if place not in own]


#: In the name of what `verify --repair` moved aside, before the time.
_ASIDE = ".damaged-"


def move_aside(place: Place) -> Place:
    """Out of the way, durably; where it is then."""
    aside = place.rename(f"{place.name}{_ASIDE}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    sync_folder(place.parent)
    return aside


def is_aside(place: Place) -> bool:
    return _ASIDE in place.name


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run. Its name is the run's id."""

    path: Place

    @property
    def request(self) -> Place:
        return self.path / "request.json"

    @property
    def options(self) -> Place:
        return self.path / "options.json"

    @property
    def summary(self) -> Place:
        return self.path / "summary.json"

    @property
    def metrics(self) -> Place:
        return self.path / "metrics.json"

    @property
    def log(self) -> Place:
        return self.path / "log.jsonl"

    def stack(self, process: str, pid: int) -> Place:
        """Where a process stood that was killed because it hung."""
        return self.path / f"hang-{process}-{pid}.txt"


class Archive:
    """The paths of an archive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        here = Place(root)
        self.about = here / _ABOUT
        self.journal = here / _JOURNAL
        self.chats = here / _CHATS
        self.quarantine = here / _QUARANTINE
        #: alone of all folders it may be a link, to a larger disk
        self.media = Place(root / _MEDIA)
        self.media_index = here / _MEDIA_INDEX
        self.listed = here / _LISTED
        self._runs = here / _RUNS
        self._lock = here / _LOCK

    def chat(self, marked_id: int) -> ChatFolder:
        return ChatFolder(self.chats / str(marked_id))

    def chat_folders(self) -> dict[int, ChatFolder]:
        """Chats that have a folder, by marked id."""
        found = {}
        for path in self.chats.glob():
            if path.name.removeprefix("-").isdecimal() and str(int(path.name)) == path.name:
                found[int(path.name)] = ChatFolder(path)
        return found

    def run(self, run_id: str) -> RunFolder:
        return RunFolder(self._runs / run_id)

    def runs(self) -> list[RunFolder]:
        """Oldest first."""
        return [RunFolder(path) for path in self._runs.glob()]

    def shown(self, path: Path | Place) -> str:
        """A path within the archive, for people."""
        return str(Path(path).relative_to(self.root))

    def is_media(self, shown: str) -> bool:
        """Whether a path as people see it is that of a downloaded file."""
        return shown.startswith(f"{_MEDIA}/")

    def unknown(self) -> list[Place]:
        """What no run has made, in the archive's own folders."""
        chats = {folder.path for folder in self.chat_folders().values()}
        others = [path for path in Place(self.root).iterdir() if path.name not in ENTRIES]
        return sorted(others + [path for path in self.chats.glob() if path not in chats])

    def exists(self) -> bool:
        """Whether there is anything of an archive."""
        return any(path.exists() for path in (self.about, self.journal, self.chats))

    def missing(self) -> StorageError:
        """What to raise where nothing of an archive is seen: there is none, or the system shows nobody what is there."""
        try:
            os.stat(f"{self.root}/.")
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            return FileRefusedError.of(error, self.root)
        return StorageError(self.root, "there is no archive")

    def index_cut_short(self) -> bool:
        """Whether a run was killed within a transaction of the index of media; the next one sets it right."""
        return self.media_index.with_name(self.media_index.name + _ROLLBACK).exists()

    @property
    def media_elsewhere(self) -> Path | None:
        """Where the files go when `media` is a link."""
        return Path(os.path.realpath(self.media.root)) if self.media.root.is_symlink() else None

    def lock(self) -> Lock:
        """Not acquired."""
        return Lock(self._lock.path, f"archive {self.root}")

    def check_place(self) -> None:
        """StorageError, NewerFormatError where something lies there that no run can go on with."""
        if not os.path.lexists(self.root):
            return
        if not self.root.is_dir():
            raise StorageError(self.root, "it is not a folder")
        try:
            entries = os.listdir(self.root)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise StorageError(self.root, "you may not write there")
            if _ABOUT in entries:
                self.check_format()
            elif set(entries) - {_LOCK, _RUNS, _ABOUT + PART}:
                raise NotAnArchiveError(self.root, f"has no {_ABOUT}")
            if _JOURNAL not in entries and any(chat.has_files() for chat in self.chat_folders().values()):
                raise LostJournalError(self.root)
        except OSError as error:
            raise file_error(error, error.filename or self.root) from error

    def open(self, wait: float = 0.0) -> Lock:
        """Make it ready for one run, or say why not: StorageError, NewerFormatError, LockedError, that one after `wait`
        seconds. Keep the lock."""
        self.check_place()
        try:
            make_folder(self.root, 0o700)  # private, until its owner opens it to others
            lock = self.lock().acquire(wait)
            try:
                if not self.about.exists():
                    write_whole(self.about, document.dump({"format": FIRST_FORMAT, "tool": TOOL}))
                make_folder(self.chats)
            except BaseException:
                lock.release()
                raise
            return lock
        except OSError as error:
            raise file_error(error, error.filename or self.root) from error

    def check_format(self) -> None:
        """NotAnArchiveError, NewerFormatError; OSError where archive.json cannot be read."""
        try:
            found = json.loads(self.about.read_bytes())["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotAnArchiveError(self.root, f"its {_ABOUT} cannot be read") from error
        if not isinstance(found, int) or found > FORMAT:
            raise NewerFormatError(self.root, found, FORMAT)

    def prove_format(self) -> None:
        """The same for every byte of it. FileNotFoundError, DamagedDocumentError, NewerFormatError, OSError."""
        try:
            found = document.load(self.about).get("format")
        except DamagedDocumentError:
            # A later format may have another form of this file.
            found = self._claimed_format()
            if isinstance(found, int) and found > FORMAT:
                raise NewerFormatError(self.root, found, FORMAT) from None
            raise
        if found not in (FIRST_FORMAT, FORMAT):
            raise NewerFormatError(self.root, found, FORMAT)

    def raise_format(self) -> None:
        """Before the journal speaks of what an older tgbulk would not understand. OSError."""
        if self._claimed_format() != FORMAT:
            write_whole(self.about, document.dump({"format": FORMAT, "tool": TOOL}))

    def _claimed_format(self) -> object:
        try:
            claimed: object = json.loads(self.about.read_bytes())["format"]
        except (ValueError, KeyError, TypeError):
            return None
        return claimed


def documents(archive: Archive) -> Iterator[Place]:
    """The documents of all runs that are there."""
    for run in archive.runs():
        yield from (path for path in (run.summary, run.request, run.options) if path.exists())
