"""Files that are whole on disk or not there."""
import errno
import os
from pathlib import Path

#: Behind the name of a file that is not whole yet.
PART = ".part"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of data at an offset. OSError when not all of it can be written."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def sync(descriptor: int, path: Path) -> None:
    """Make a file's data durable; an OSError that names the path when the file is no longer in any folder."""
    os.fdatasync(descriptor)
    if not os.fstat(descriptor).st_nlink:
        raise FileNotFoundError(errno.ENOENT, "it was removed while it was written", str(path))


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file by this content: a reader, or a crash, sees the old one or the new one.

    After an OSError the old one is there and nothing else; a crash can leave the name with PART behind it.
    """
    part = path.with_name(path.name + PART)
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o777) -> None:
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
