"""An archive's folder: what lies where, its format, and who may write to it."""
from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path

from engine import document
from engine.durable import PART, make_folder, write_whole
from engine.error import NewerFormatError, StorageError
from engine.lock import Lock

#: Of everything below the folder. A newer one is refused.
FORMAT = 1


class NotAnArchiveError(StorageError):
    """{0}: it is not empty and {1}"""

    advice = "Name an empty or new folder, or an archive, with -o."


class LostJournalError(StorageError):
    """{0}: it has chats, and no journal that speaks of them"""

    advice = "Restore the journal from a copy, or move the archive away and export again."


class Archive:
    """The paths of an archive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal = root / "journal"
        self.media = root / "media.sqlite"
        self.runs = root / "runs"
        self.quarantine = root / "quarantine"
        self._about = root / "archive.json"

    def chat(self, marked_id: int) -> Path:
        return self.root / "chats" / str(marked_id)

    def open(self) -> Lock:
        """Make it ready for one run, or say why not: StorageError, NewerFormatError, LockedError. Keep the lock."""
        if os.path.lexists(self.root) and not self.root.is_dir():
            raise StorageError(self.root, "it is not a folder")
        try:
            make_folder(self.root, 0o700)  # private, until its owner opens it to others
            entries = os.listdir(self.root)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise StorageError(self.root, "you may not write there")
            if self._about.name in entries:
                self.check_format()
            elif set(entries) - {"lock", "runs", self._about.name + PART}:
                raise NotAnArchiveError(self.root, "has no archive.json")
            if self.journal.name not in entries and any(self.root.glob("chats/*/*.jsonl")):
                raise LostJournalError(self.root)
            lock = Lock(self.root / "lock", f"archive {self.root}").acquire()
            try:
                if self._about.name not in entries:
                    about = {"format": FORMAT, "tool": f"tgbulk {version('tgbulk')}"}
                    write_whole(self._about, document.dump(about))
                make_folder(self.root / "chats")
            except BaseException:
                lock.release()
                raise
            return lock
        except OSError as error:
            raise StorageError(error.filename or self.root, error.strerror or str(error)) from error

    def check_format(self) -> None:
        """NotAnArchiveError, NewerFormatError; OSError where archive.json cannot be read."""
        try:
            found = json.loads(self._about.read_bytes())["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotAnArchiveError(self.root, "its archive.json cannot be read") from error
        if not isinstance(found, int) or found > FORMAT:
            raise NewerFormatError(self.root, found, FORMAT)
