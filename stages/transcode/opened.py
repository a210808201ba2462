"""A file that programs are given by its descriptor: they read and write that one, whatever its name leads to by then."""
from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from tgbulk.engine.durable import open_new
from tgbulk.engine.folder import Place


class OpenedFile:
    """Closed at the end of its block. OSError as Place.open: LinkError for what is no file of its own."""

    def __init__(self, place: Place, new: bool = False) -> None:
        """new: made now, in the place of whatever has the name."""
        self.place = place
        self.descriptor = open_new(place) if new else place.open()

    @property
    def path(self) -> Path:
        """For programs of the same user, while this is open (proc(5)); each that opens it begins at the file's start."""
        return Path(f"/proc/{os.getpid()}/fd/{self.descriptor}")

    @property
    def status(self) -> os.stat_result:
        return os.fstat(self.descriptor)

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)


def place_in(folder: str, path: str) -> Place:
    """Of a file below a folder, between which no link is followed; without a folder, of the path alone."""
    if not folder:
        return Place.of(Path(path))
    return Place(Path(folder)) / str(Path(path).relative_to(folder))
