"""Every failure a person can meet, in one tree under TgbulkError, and every exit code.

    TgbulkError                    internal error
      UsageError                   wrong or missing input
      PartialError                 some of the work failed, the rest is done
      NothingError                 none of the work could be done
      LockedError                  somebody else holds a lock
      StorageError                 a folder or file that cannot be used
        FileRefusedError           the system refuses one
        NewerFormatError           written by a newer version
      LimitError                   too little memory, or too few open files or processes
      NetworkError                 the other side cannot be reached or does not answer
      InterruptedRunError          stopped on request, can be resumed

The docstring of a class is its message: `{0}`, `{1}` ... are the arguments it is raised with.
"""
from __future__ import annotations

import errno
import os
import re
from enum import IntEnum

#: Errors of a disk that every file meets, and not one alone: full, failing, read-only, gone.
DISK_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EUCLEAN}
)

#: What to do about a file or folder that the system refuses.
_CURES = {
    errno.EACCES: "Give this user the right to it and to the folders above it, or name another place.",
    errno.EPERM: "Give this user the right to it, or name another place.",
    errno.EROFS: "Mount its disk for writing, or name another place.",
    errno.ENOSPC: "Make room on its disk, then run the same command again.",
    errno.EDQUOT: "Make room within the quota, then run the same command again.",
    errno.EFBIG: "Allow larger files (ulimit -f), or use another disk.",
    errno.EIO: "Its disk fails; the log of the system says more (dmesg).",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOENT: "Something in this path is missing; correct it, or make the folder.",
    errno.ENOTDIR: "Something in this path is a file; name a folder.",
    errno.EISDIR: "It is a folder; name a file.",
    errno.EEXIST: "Something is in the way; move it, or name another place.",
    errno.ELOOP: "Links in this path lead in a circle, or may not be followed; name the place itself.",
}

#: Of two files of a call, these are about the second one, to which the first is copied.
_OF_THE_COPY = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})

_HIDDEN = re.compile("failed to map segment|cannot allocate memory|can't start new thread", re.IGNORECASE)


class ExitCode(IntEnum):
    """What the command returns; docs/exit-codes.md explains each to users."""

    COMPLETE = 0
    INTERNAL = 1
    USAGE = 2  # click's own number for wrong options
    PARTIAL = 3
    NOTHING = 4
    AUTH = 5
    LOCKED = 6
    NETWORK = 7
    STORAGE = 8
    DELAYED = 9
    PARKED = 10
    INTERRUPTED = 11
    DAMAGED = 12
    LIMIT = 13
    LOST = 75  # sysexits.h: a temporary failure


class TgbulkError(Exception):
    """{0}"""

    exit_code: ExitCode = ExitCode.INTERNAL
    #: What to do next: one line, formatted like the message; empty when there is nothing to advise.
    advice: str = ""
    #: What failed, for programs; docs/events.md lists the words.
    kind: str = "internal"
    #: Whether the same command may succeed later without anybody's doing.
    retryable: bool = False
    #: Telegram's own text of the error, "" where it is none of Telegram's.
    telegram: str = ""

    @property
    def retry_after(self) -> int | None:
        """Seconds before which trying again is of no use, None where nobody said."""
        return None

    def __str__(self) -> str:
        if self.__doc__ is None:  # python -OO
            return ": ".join(map(str, self.args)) or type(self).__name__
        return self.__doc__.format(*self.args)

    @property
    def hint(self) -> str:
        return self.advice.format(*self.args)


class UsageError(TgbulkError):
    """{0}"""

    kind = "usage"
    exit_code = ExitCode.USAGE


class PartialError(TgbulkError):
    """{0} of {1} failed"""

    kind = "partial"
    retryable = True
    exit_code = ExitCode.PARTIAL
    advice = "The rest is complete; run the same command again to retry what failed."


class NothingError(TgbulkError):
    """nothing was exported: {0}"""

    kind = "nothing"
    exit_code = ExitCode.NOTHING


class LockedError(TgbulkError):
    """{0} is in use by {1}"""

    kind = "locked"
    retryable = True
    exit_code = ExitCode.LOCKED
    advice = "Wait for it to finish, or stop it."


class StorageError(TgbulkError):
    """{0}: {1}"""

    kind = "storage"
    exit_code = ExitCode.STORAGE


class FileRefusedError(StorageError):
    """{0}: {1}"""

    advice = "{2}"

    @classmethod
    def of(cls, error: OSError, place: object = None) -> FileRefusedError:
        """place: where the error names none, or another is better to name."""
        copied = error.errno in _OF_THE_COPY and error.filename2 is not None
        name = error.filename2 if copied else error.filename
        named = os.fsdecode(name) if isinstance(name, str | bytes) else name
        cure = _CURES.get(error.errno or 0, "See what is there, or name another place.")
        return cls(place or named or "a file", error.strerror or str(error), cure)


class NewerFormatError(StorageError):
    """{0} has format {1}; this version reads up to format {2}"""

    advice = "Upgrade tgbulk."


class LimitError(TgbulkError):
    """the system ran out of resources: {0}"""

    kind = "limit"
    exit_code = ExitCode.LIMIT
    advice = "{1}"


class NetworkError(TgbulkError):
    """{0}: {1}"""

    kind = "network"
    retryable = True
    exit_code = ExitCode.NETWORK


class InterruptedRunError(TgbulkError):
    """interrupted"""

    kind = "interrupted"
    retryable = True
    exit_code = ExitCode.INTERRUPTED
    advice = "Run the same command again to continue."


def refusal(error: BaseException) -> TgbulkError | None:
    """What a call of the system means that failed for want of something or at a file or disk; None for any other error."""
    short = shortage(error)
    if short or not isinstance(error, OSError) or not (error.filename or error.errno in DISK_ERRORS):
        return short
    return FileRefusedError.of(error)


def file_error(error: OSError, place: object = None) -> TgbulkError:
    """What an error at a file or folder means: something was short, or it refused. place: as of FileRefusedError."""
    return shortage(error) or FileRefusedError.of(error, place)


def shortage(error: BaseException) -> LimitError | None:
    """What an error of memory, descriptors or processes means, None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    # The loader of shared objects and the starter of threads hide their reason in a text.
    hidden = isinstance(error, ImportError | RuntimeError) and _HIDDEN.search(str(error))
    if isinstance(error, MemoryError) or number == errno.ENOMEM or hidden:
        return LimitError("there is not enough memory", "Allow more memory, or give fewer --workers.")
    if number in (errno.EMFILE, errno.ENFILE):
        return LimitError("too many open files", "Allow more of them: ulimit -n 1024")
    if number == errno.EAGAIN:
        return LimitError("no more processes can be started", "Allow more of them: ulimit -u")
    return None
