"""A list of chats in a file or on standard input: a name a line, with comments, as people and programs write it."""
from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tgbulk.engine.error import UsageError
from tgbulk.engine.text import printable
from tgbulk.stages.fetch.name import ChatName, NotAChatError, parse_line

#: Bytes of a list at most, and lines.
LARGEST = 64 << 20
MOST_LINES = 1_000_000
#: Byte order marks that Windows puts first; UTF-32's begins as UTF-16's does.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
#: Bad lines that are shown.
SHOWN = 10


class BadLineError(UsageError):
    """{0}, line {1}: {2}"""

    advice = "Correct it, or give --skip-bad to go on without it."


class ChatsFileError(UsageError):
    """{0}: {1}"""


def read_names(source: str, skip_bad: bool) -> list[ChatName]:
    """The names of a list; - is standard input. BadLineError for a line that is no name, or a warning, where such lines are
    to be skipped; ChatsFileError."""
    shown = "standard input" if source == "-" else source
    found: list[ChatName] = []
    bad: list[BadLineError] = []
    for number, line in _lines(source, shown):
        try:
            if (name := parse_line(line)) is not None:
                found.append(name)
        except NotAChatError as error:
            bad.append(BadLineError(shown, number, error))
            if not skip_bad:
                raise bad[0] from None
    for one in bad[:SHOWN]:
        click.echo(f"tgbulk: warning: {printable(str(one))}; it is skipped", err=True)
    if len(bad) > SHOWN:
        click.echo(f"tgbulk: warning: {shown}: {len(bad) - SHOWN} more lines are skipped", err=True)
    return found


def _lines(source: str, shown: str) -> Iterator[tuple[int, str]]:
    """With their numbers, from 1 on."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(source).open("rb") as stream:
                data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ChatsFileError(shown, error.strerror) from error
    if len(data) > LARGEST:
        raise ChatsFileError(shown, f"it has more than {LARGEST >> 20} MiB")
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadLineError(shown, data.count(b"\n", 0, error.start) + 1, f"it is not {encoding.upper()[:6]}") from None
    lines = re.split(r"\r\n|\r|\n", text)
    if len(lines) > MOST_LINES:
        raise ChatsFileError(shown, f"it has more than {MOST_LINES:,} lines")
    return enumerate(lines, 1)
