"""The files below media/: reached without following a symbolic link, whole under their names or not there."""
from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.durable import PART, make_folder, write_all

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = _READ | os.O_DIRECTORY
_NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o644
#: Bytes hashed at a time.
_CHUNK = 1 << 20


class Store:
    """Paths are those of Medium; methods block, and raise OSError as it comes."""

    def __init__(self, archive: Path) -> None:
        self._root = archive / "media"
        make_folder(self._root)

    def existing(self, path: str) -> tuple[int, bytes] | None:
        """(size, SHA-256) of a whole file, None where there is none."""
        with self._folder(path) as (folder, name):
            try:
                descriptor = os.open(name, _READ | os.O_NONBLOCK, dir_fd=folder)
            except OSError:
                return None
            try:
                status = os.fstat(descriptor)
                return (status.st_size, _digest(descriptor)) if stat.S_ISREG(status.st_mode) else None
            finally:
                os.close(descriptor)

    def keep(self, path: str, data: bytes, date: int) -> bytes:
        """Make a whole file of these bytes; its SHA-256."""
        descriptor = self.open_part(path)
        try:
            os.ftruncate(descriptor, 0)
            write_all(descriptor, data, 0)
            os.fsync(descriptor)
            self.publish(path, descriptor, date)
        finally:
            os.close(descriptor)
        return hashlib.sha256(data).digest()

    def open_part(self, path: str) -> int:
        """A descriptor of the file's .part, new or old, for reading and writing."""
        with self._folder(path) as (folder, name):
            part = name + PART
            descriptor = _open_own(part, folder)
            if descriptor is None:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)
                descriptor = os.open(part, _NEW | os.O_EXCL, _MODE, dir_fd=folder)
            return descriptor

    def publish(self, path: str, descriptor: int, date: int) -> None:
        """The .part is whole and durable: give it its name, and the time of its message."""
        if date:
            os.utime(descriptor, (date, date))
        with self._folder(path) as (folder, name):
            os.rename(name + PART, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def discard(self, path: str) -> None:
        """Remove a .part that will not become whole."""
        with self._folder(path) as (folder, name), suppress(FileNotFoundError):
            os.unlink(name + PART, dir_fd=folder)

    @contextmanager
    def _folder(self, path: str) -> Iterator[tuple[int, str]]:
        """(descriptor of the folder, made where it is missing; name in it)."""
        *folders, name = path.split("/")
        descriptor = os.open(self._root, _FOLDER)
        try:
            for folder in folders:
                inner = _enter(descriptor, folder)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)


def _enter(parent: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=parent)
        os.fsync(parent)
        return os.open(name, _FOLDER, dir_fd=parent)


def _open_own(name: str, folder: int) -> int | None:
    """An old regular file that nothing else leads to, None where there is something else or nothing."""
    try:
        descriptor = os.open(name, (_NEW & ~os.O_CREAT) | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    return None


def _digest(descriptor: int) -> bytes:
    digest = hashlib.sha256()
    offset = 0
    while data := os.pread(descriptor, _CHUNK, offset):
        digest.update(data)
        offset += len(data)
    return digest.digest()
