"""A real file system with very little room, in a mount namespace of its own; others reach it through /proc."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs with this size and so many inodes, as a context manager; skips where no such disk can be made."""

    unshare: tuple[str, ...] = ("unshare", "-rm")
    #: the namespaces of it, for nsenter
    spaces: tuple[str, ...] = ("--user", "--mount", "--preserve-credentials")

    def __init__(self, folder: Path, size: str, inodes: int = 0) -> None:
        self.folder = folder
        self.mount = f"mount -t tmpfs -o size={size},nr_inodes={inodes} none {folder}"

    def __enter__(self) -> SmallDisk:
        self._shell = subprocess.Popen(
            [*self.unshare, "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = self._do(self.mount)
        if said != "":
            self.__exit__()
            pytest.skip(f"no small file system can be made here: {said}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait()
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    @property
    def path(self) -> Path:
        """The disk's root, for every process of this user."""
        return Path(f"/proc/{self._shell.pid}/root{self.folder}")

    @property
    def inside(self) -> tuple[str, ...]:
        """What starts a command that finds the disk at `folder`: SQLite cannot open files below `path`."""
        return ("nsenter", "--target", str(self._shell.pid), *self.spaces)

    def remount(self, options: str) -> None:
        """`size=1m`, `ro`, ..."""
        assert self._do(f"mount -o remount,{options} {self.folder}") == ""

    def bind(self, path: str, options: str) -> None:
        """Mount a folder of it upon itself: `ro`, `rw`."""
        folder = self.folder / path
        assert self._do(f"mount --bind {folder} {folder} && mount -o remount,bind,{options} {folder}") == ""

    def _do(self, command: str) -> str:
        """What the command says."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        try:
            self._shell.stdin.write(f"{command}; echo END\n")
            self._shell.stdin.flush()
        except BrokenPipeError:
            return "unshare is not allowed"
        said = ""
        for line in self._shell.stdout:
            if line.endswith("END\n"):
                return said + line.removesuffix("END\n")
            said += line
        return said or "unshare is not allowed"
