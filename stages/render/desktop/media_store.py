"""Files of the archive as files of the render: hard links, copies where there can be none, never opened for writing."""
from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_reader import Key, MediaFile, MediaReader
from tgbulk.stages.render.desktop.file import UNAVAILABLE
from tgbulk.stages.render.output import Output

NOT_INCLUDED = "(File not included. Change data exporting settings to download.)"
TOO_LARGE = "(File exceeds maximum size. Change data exporting settings to download.)"
#: What the index says of a file that was skipped for its size.
_LARGER = "larger than --max-size"
#: Where a file system, a limit or an owner allows no link.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


class MediaStore:
    """What the archive has, and where it goes."""

    def __init__(
        self, archive: Path, media: MediaReader, output: Output, kinds: Sequence[str], max_size: int | None, copy: bool
    ) -> None:
        """kinds: words of --media; max_size: bytes of the largest file; copy: no links."""
        self._archive = archive
        self._media = media
        self._output = output
        self._kinds = frozenset(kinds)
        self._max_size = max_size
        self._copy = copy
        self._expected: dict[Key, MediaFile] = {}

    def expect(self, keys: list[Key]) -> None:
        """Look up what will be asked for soon. StorageError."""
        self._expected = self._media.find(keys) if keys and not self._media.empty else {}

    def find(self, key: Key, size: int, kind: str) -> tuple[Path | None, str]:
        """(the file, "") or (None, Telegram Desktop's sentence for why there is none). kind: word of --media."""
        if kind not in self._kinds:
            return None, NOT_INCLUDED
        if self._max_size is not None and size > self._max_size:
            return None, TOO_LARGE
        found = self._expected.get(key)
        if found is None:
            return None, NOT_INCLUDED
        if found.state == "skipped":
            return None, TOO_LARGE if found.reason == _LARGER else NOT_INCLUDED
        path = self._archive / found.path
        return (path, "") if found.done and _is_file(path, Archive(self._archive).media.path) else (None, UNAVAILABLE)

    def put_file(self, name: str, source: Path) -> int:
        """The file of the archive under this name; its bytes. OSError."""
        path = self._output.new_file()
        try:
            if self._copy:
                raise OSError(errno.EXDEV, "no link is wanted")
            os.link(source, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(source, path, follow_symlinks=False)
        return self._output.put(name, path)

    def put_bytes(self, name: str, data: bytes) -> int:
        return self._output.write(name, data)

    def move(self, before: str, after: str) -> None:
        """A file of the last render gets another name, and keeps its own until it is removed. OSError."""
        self.put_file(after, self._output.path(before))


def _is_file(path: Path, below: Path) -> bool:
    """Whether it is a whole file that lies there, and no link in its way leads elsewhere."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and path.parent.resolve().is_relative_to(below.resolve())
    except OSError:
        return False
