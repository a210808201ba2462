"""Files that are whole on disk or not there."""
from __future__ import annotations

import errno
import os
from pathlib import Path

from tgbulk.engine.folder import Place

#: Behind the name of a file that is not whole yet.
PART = ".part"
#: A file system that cannot sync a folder says so with one of these; there is nothing to be done about it.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def sync_folder(folder: Path | Place) -> None:
    """Make the names in a folder durable."""
    with (folder if isinstance(folder, Place) else Place(folder)).descriptor() as descriptor:
        sync_names(descriptor)


def sync_names(descriptor: int) -> None:
    """The same for the descriptor of a folder."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of data at an offset. OSError when not all of it can be written."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def sync(descriptor: int, path: Path | Place) -> None:
    """Make a file's data durable; an OSError that names the path when the file is no longer in any folder."""
    os.fdatasync(descriptor)
    if not os.fstat(descriptor).st_nlink:
        raise FileNotFoundError(errno.ENOENT, "it was removed while it was written", str(path))


def open_new(place: Place, mode: int = 0o644) -> int:
    """A descriptor of a file that is made now, in the place of whatever is there."""
    place.unlink(missing_ok=True)
    return place.open(os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)


def write_whole(path: Path | Place, data: bytes, mode: int = 0o644) -> None:
    """Replace a file by this content: a reader, or a crash, sees the old one or the new one.

    After an OSError the old one is there and nothing else; a crash can leave the name with PART behind it.
    """
    place = Place.of(path)
    part = place.with_name(place.name + PART)
    try:
        descriptor = open_new(part, mode)
        try:
            write_all(descriptor, data, 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(place.name)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(place.parent)


def make_folder(folder: Path | Place, mode: int = 0o777) -> None:
    """Create a folder and its parents, durably; nothing to do when it is there. OSError, also for what is no folder.

    `mode` is for the folder itself, less the umask.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(folder)) from error
    sync_folder(folder.parent)
