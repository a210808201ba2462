"""The folder that a render writes: whole files only, one render at a time, and nothing that is not a render's."""
from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tgbulk.engine.durable import PART, make_folder, sync_folder
from tgbulk.engine.error import StorageError, UsageError, file_error
from tgbulk.engine.lock import Lock

STATE = "render.json"
#: Files that are not whole; a killed render leaves it, and the next one removes it.
TEMPORARY = "render.part"
LOCK = "render.lock"
#: Bytes compared at a time.
_BLOCK = 1 << 20


class ForeignFolderError(StorageError):
    """{0}: it is not empty, and no render of tgbulk made it"""

    advice = "Name a new or empty folder with -o."


class Output:
    """OUT, held by one render."""

    def __init__(self, folder: Path, archives: Sequence[Path]) -> None:
        """Nothing is written yet. UsageError, StorageError, ForeignFolderError, OSError."""
        self.folder = folder
        self.temporary = folder / TEMPORARY
        self._lock = Lock(folder / LOCK, f"the render {folder}")
        self._waiting: dict[str, Path] = {}
        self._number = 0
        here = Path(os.path.realpath(folder))  # links in a circle, too
        for there in (Path(os.path.realpath(one)) for one in archives):
            if here == there or there in here.parents:
                raise UsageError(f"{folder} lies in the archive; a render needs a folder of its own")
        if os.path.lexists(folder) and not folder.is_dir():
            raise StorageError(folder, "it is not a folder")
        if folder.is_dir() and set(os.listdir(folder)) - {LOCK, TEMPORARY, STATE + PART} and not (folder / STATE).exists():
            raise ForeignFolderError(folder)

    def open(self) -> None:
        """Take it. LockedError, StorageError."""
        try:
            make_folder(self.folder)
            self._lock.acquire()
            if self.temporary.is_symlink():
                raise StorageError(self.temporary, "it is a link")
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir()
        except OSError as error:
            raise file_error(error, error.filename or self.folder) from error

    def close(self) -> None:
        """Let go, without what was not published."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        (self.folder / (STATE + PART)).unlink(missing_ok=True)
        self._lock.remove()

    def path(self, name: str) -> Path:
        """Where a file is, or will be, below the folder. UsageError for a name that leads elsewhere."""
        pure = PurePosixPath(name)
        ours = pure.parts[:1] in ((STATE,), (TEMPORARY,), (LOCK,))
        if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in name or ours:
            raise UsageError(f"{name!r} is no name for a file of a render")
        return self.folder / pure

    def new_file(self) -> Path:
        """A name for a temporary file, on the same file system."""
        self._number += 1
        return self.temporary / f"new-{self._number}"

    @property
    def waiting(self) -> set[str]:
        """Names that were put and not yet published."""
        return set(self._waiting)

    def put(self, name: str, path: Path) -> int:
        """Publish this temporary file under the name, with what else was put; its bytes."""
        self.path(name)
        self._waiting[name] = path
        return path.stat().st_size

    def write(self, name: str, data: bytes) -> int:
        """Put a small file."""
        path = self.new_file()
        path.write_bytes(data)
        return self.put(name, path)

    def intact(self, name: str, size: int) -> bool:
        """Whether a file of the last render is there still, as far as can be seen without reading it."""
        path = self.path(name)
        return path.is_file() and not path.is_symlink() and path.stat().st_size == size

    def publish(self) -> None:
        """Make what was put durable, then give it its names. OSError."""
        waiting = {name: path for name, path in self._waiting.items() if not _same(path, self.path(name))}
        for path in waiting.values():
            _sync(path)
        folders = set()
        for name, path in waiting.items():
            target = self.path(name)
            make_folder(target.parent)
            os.replace(path, target)
            folders.add(target.parent)
        for folder in folders:
            sync_folder(folder)
        for name in self._waiting.keys() - waiting.keys():
            self._waiting[name].unlink()
        self._waiting.clear()

    def remove(self, name: str) -> None:
        """A file of the last render that no render has any more, and the folders that it leaves empty."""
        path = self.path(name)
        if path.is_symlink() or path.is_file():
            path.unlink()
        for folder in path.parents:
            if folder == self.folder or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()

    @staticmethod
    def copy_range(source: Path, offset: int, size: int, target: int) -> None:
        """Append bytes of a file to an open one, inside of the kernel where that can be. OSError."""
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while size:
                try:
                    done = os.copy_file_range(descriptor, target, min(size, 1 << 30), offset)
                except OSError:  # file systems that cannot
                    done = os.write(target, os.pread(descriptor, min(size, _BLOCK), offset))
                if not done:
                    raise StorageError(source, "it is shorter than it was")
                size -= done
                offset += done
        finally:
            os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same(first: Path, second: Path) -> bool:
    """Whether two files have the same bytes."""
    if second.is_file() and not second.is_symlink() and second.samefile(first):
        return True  # a file of the archive, linked again
    if second.is_symlink() or not second.is_file() or first.stat().st_size != second.stat().st_size:
        return False
    with open(first, "rb") as one, open(second, "rb") as other:
        while block := one.read(_BLOCK):
            if block != other.read(_BLOCK):
                return False
    return True
