"""What of this process's writes would not survive a power cut: its calls are watched, and the kernel does them as ever.

Python's os is where all of them pass; SQLite's own are not seen.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Inode = tuple[int, int]
#: Files that may be lost.
UNIMPORTANT = ("lock",)


@dataclass
class Durability:
    """Files by their last names."""

    #: whose bytes were written and not synced
    written: dict[Inode, str] = field(default_factory=dict)
    #: that were only cut, and not synced
    cut: dict[Inode, str] = field(default_factory=dict)
    #: folders with new names that were not synced
    named: dict[Inode, str] = field(default_factory=dict)
    #: folders out of which names went, and that were not synced
    unnamed: dict[Inode, str] = field(default_factory=dict)
    #: names given to files, and cuts, before their bytes were durable
    early: list[str] = field(default_factory=list)
    #: how many files got a name by rename
    renamed: int = 0
    #: for each record of the journal, what a power cut would have taken when it was written
    journaled: list[list[str]] = field(default_factory=list)

    @property
    def lost(self) -> list[str]:
        """What a power cut would take now."""
        return sorted([*self.written.values(), *self.named.values()])

    def wrote(self, descriptor: int) -> None:
        name = _name(descriptor)
        if name == "journal":
            self.journaled.append(self.lost)
        if name not in UNIMPORTANT and os.fstat(descriptor).st_nlink:
            self.written[_inode(descriptor)] = name

    def was_cut(self, descriptor: int, size: int) -> None:
        if _inode(descriptor) in self.written:
            self.early.append(f"{_name(descriptor)} was cut before its bytes")
        if os.fstat(descriptor).st_size != size:
            self.cut[_inode(descriptor)] = _name(descriptor)

    def synced(self, descriptor: int) -> None:
        for found in (self.written, self.cut, self.named, self.unnamed):
            found.pop(_inode(descriptor), None)

    def made(self, path: Any, folder: int | None) -> None:
        """A name came into a folder."""
        parent = _parent(path, folder)
        self.named[_inode(parent)] = parent.name

    def went(self, path: Any, folder: int | None) -> None:
        """A name is about to go out of a folder, and with the last one the bytes."""
        if not _exists(path, folder):
            return
        status = os.stat(path, dir_fd=folder, follow_symlinks=False)
        if status.st_nlink == 1:
            self.written.pop((status.st_dev, status.st_ino), None)
        parent = _parent(path, folder)
        self.unnamed[_inode(parent)] = parent.name

    def moved(self, source: Any, target: Any, folder: int | None) -> None:
        """A file is about to get another name."""
        status = os.stat(source, dir_fd=folder, follow_symlinks=False)
        inode = status.st_dev, status.st_ino
        self.renamed += 1
        if inode in self.written or inode in self.cut:
            self.early.append(f"{Path(os.fsdecode(target)).name} before its bytes")
        self.made(target, folder)


@contextmanager
def watched() -> Iterator[Durability]:
    """While this lasts."""
    disk = Durability()

    def before(call: Any, look: Callable[..., None]) -> Any:
        def both(*arguments: Any, **named: Any) -> Any:
            look(*arguments, **named)
            return call(*arguments, **named)

        return both

    real_open, real_mkdir = os.open, os.mkdir

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        is_new = flags & os.O_CREAT and not _exists(path, dir_fd)
        descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
        if is_new:
            disk.made(path, dir_fd)
        return descriptor

    def made(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real_mkdir(path, mode, dir_fd=dir_fd)
        disk.made(path, dir_fd)

    def moved(source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        assert src_dir_fd == dst_dir_fd
        disk.moved(source, target, src_dir_fd)

    looks: dict[str, Callable[..., None]] = {
        "pwrite": lambda descriptor, *_: disk.wrote(descriptor),
        "posix_fallocate": lambda descriptor, *_: disk.wrote(descriptor),
        "ftruncate": disk.was_cut,
        "fsync": disk.synced,
        "fdatasync": disk.synced,
        "rename": moved,
        "replace": moved,
        "unlink": lambda path, *, dir_fd=None: disk.went(path, dir_fd),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(os, "mkdir", made)
        for name, look in looks.items():
            patch.setattr(os, name, before(getattr(os, name), look))
        yield disk


def _exists(path: Any, folder: int | None) -> bool:
    try:
        os.stat(path, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _parent(path: Any, folder: int | None) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{folder}")) if folder is not None else Path(path).absolute().parent


def _inode(of: int | Path) -> Inode:
    status = os.stat(of)
    return status.st_dev, status.st_ino


def _name(descriptor: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
