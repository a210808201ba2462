"""What an error of the system means for people: which file, and what to do about it."""
from __future__ import annotations

import errno
import os

import pytest

from tgbulk.engine.error import FileRefusedError


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_of_a_copy_what_is_written_has_no_room(number: int) -> None:
    error = FileRefusedError.of(OSError(number, os.strerror(number), "/from", None, "/to"))
    assert str(error) == f"/to: {os.strerror(number)}"
    assert error.hint


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.EIO])
def test_else_the_first_is_named(number: int) -> None:
    assert str(FileRefusedError.of(OSError(number, os.strerror(number), "/from", None, "/to"))).startswith("/from: ")
    assert str(FileRefusedError.of(OSError(number, os.strerror(number)), "/place")).startswith("/place: ")
