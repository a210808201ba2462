"""Files below a folder that is trusted, reached without following a link on the way.

A Place is a path in two halves: a root, which its owner named and whose links count, and names below it, which may have
come from anywhere: from a server, a database, a folder that somebody else made. Every name is checked, and every operation
walks from the root down by descriptors (openat with O_NOFOLLOW), so whatever is planted below leads nowhere. Only plain
files are opened; one that is to be written has no second name.

Methods are called as those of pathlib.Path and raise OSError, with the whole path as its filename; LinkError for a link.
"""
from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

#: Bytes of a name; no file system takes more.
NAME_BYTES = 255
#: Folders within each other that `walk` goes down.
DEPTH = 32

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WRITING = os.O_WRONLY | os.O_RDWR
_NO_FILE = "it is not a file of its own"
#: What is in the place of a file or a folder of ours, by the error of the call that met it.
_INSTEAD = {
    errno.ELOOP: "it is a link, which is not followed",
    errno.EISDIR: _NO_FILE,
    errno.ENOTDIR: "it is not a folder",
}


class LinkError(OSError):
    """A link, a pipe, a folder in the place of a file or another thing where a file or folder of ours should be."""


class UnsafeNameError(ValueError):
    """A text that cannot be the name of a file."""


def check_name(name: str) -> str:
    """The name, if it is one component of a path. UnsafeNameError."""
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        size = 0
    if name in ("", ".", "..") or "/" in name or "\0" in name or not 0 < size <= NAME_BYTES:
        raise UnsafeNameError(f"{name[:NAME_BYTES]!r} is no name of a file")
    return name


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """`names` below `root`; none: the root itself."""

    root: Path
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path | Place) -> Place:
        """Of a path that its owner named: only the file itself must be none of the things that are not followed."""
        if isinstance(path, Place):
            return path
        return cls(path.parent, (path.name,)) if path.name not in ("", "..") else cls(path)

    def __truediv__(self, names: str) -> Place:
        """One or more names, parted by slashes. UnsafeNameError."""
        return Place(self.root, (*self.names, *map(check_name, names.split("/"))))

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """For people, and for programs that take nothing else."""
        return self.root.joinpath(*self.names)

    @property
    def name(self) -> str:
        return self.names[-1] if self.names else self.root.name

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def parent(self) -> Place:
        return Place(self.root, self.names[:-1]) if self.names else Place(self.root.parent)

    def with_name(self, name: str) -> Place:
        return self.parent / name if self.names else Place.of(self.root.with_name(check_name(name)))

    def open(self, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
        """A descriptor of a plain file; of one to be written, which nothing else leads to."""
        with self._within() as (folder, name):
            descriptor = os.open(name, flags & ~os.O_TRUNC | _OPEN, mode, dir_fd=folder)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or (flags & _WRITING and status.st_nlink > 1):
                os.close(descriptor)
                raise LinkError(errno.ELOOP, _NO_FILE)
            if flags & os.O_TRUNC:
                os.ftruncate(descriptor, 0)
            return descriptor

    def reader(self) -> BinaryIO:
        return os.fdopen(self.open(), "rb")

    def read_bytes(self) -> bytes:
        with self.reader() as file:
            return file.read()

    def stat(self) -> os.stat_result:
        """Of the thing itself, not of what a link leads to."""
        with self._within() as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=not self.names)

    def exists(self) -> bool:
        """Whether there is anything, a link included; False as well where the way to it is none."""
        try:
            self.stat()
        except OSError:
            return False
        return True

    def is_dir(self) -> bool:
        return self._is(stat.S_ISDIR)

    def is_file(self) -> bool:
        return self._is(stat.S_ISREG)

    def is_link(self) -> bool:
        return self._is(stat.S_ISLNK)

    def iterdir(self) -> list[Place]:
        """What lies in the folder, by name."""
        with self.descriptor() as descriptor:
            return [Place(self.root, (*self.names, name)) for name in sorted(os.listdir(descriptor))]

    def glob(self, pattern: str = "*") -> list[Place]:
        """The same for names that match; nothing where there is no folder."""
        return [one for one in self.iterdir() if fnmatchcase(one.name, pattern)] if self.is_dir() else []

    def walk(self, depth: int = DEPTH) -> Iterator[Place]:
        """Everything below that is no folder, and folders too deep to look into."""
        for one in self.glob():
            if depth and one.is_dir():
                yield from one.walk(depth - 1)
            else:
                yield one

    def mkdir(self, mode: int = 0o777, exist_ok: bool = False) -> None:
        """And not its parents."""
        with self._within() as (folder, name):
            try:
                os.mkdir(name, mode, dir_fd=folder)
            except FileExistsError:
                if self.is_link():
                    raise LinkError(errno.ELOOP, _INSTEAD[errno.ELOOP]) from None
                if not exist_ok:
                    raise
                if not self.is_dir():
                    raise LinkError(errno.ENOTDIR, _INSTEAD[errno.ENOTDIR]) from None

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with self._within() as (folder, name):
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rmdir(self) -> None:
        with self._within() as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def rename(self, name: str) -> Place:
        """Within its folder, in the place of whatever has the name; the new place."""
        with self._within() as (folder, before):
            os.rename(before, check_name(name), src_dir_fd=folder, dst_dir_fd=folder)
        return self.with_name(name)

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        """Of this folder."""
        with self._named():
            descriptor = os.open(self.root, _FOLDER)
            try:
                for name in self.names:
                    inner = _enter(descriptor, name)
                    os.close(descriptor)
                    descriptor = inner
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _within(self) -> Iterator[tuple[int | None, str]]:
        """(descriptor of the folder that it lies in, its name there)."""
        if not self.names:
            with self._named():
                yield None, str(self.root)
            return
        with self.parent.descriptor() as folder, self._named():
            yield folder, self.names[-1]

    @contextmanager
    def _named(self) -> Iterator[None]:
        """An error of a call that was given a descriptor names half of the path, or nothing."""
        try:
            yield
        except OSError as error:
            if error.errno in _INSTEAD and not isinstance(error, LinkError):
                raise LinkError(error.errno, _INSTEAD[error.errno], str(self.path)) from error
            if error.filename is None or error.filename in self.names:
                error.filename = str(self.path)
            raise

    def _is(self, kind: Callable[[int], bool]) -> bool:
        try:
            return kind(self.stat().st_mode)
        except OSError:
            return False


def _enter(folder: int, name: str) -> int:
    try:
        return os.open(check_name(name), _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and _is_link(folder, name):
            raise LinkError(errno.ELOOP, f"{name} is a link, which is not followed") from error
        raise


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
