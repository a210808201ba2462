"""Questions on a terminal that do not stop the event loop."""
from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import click

from tgbulk.engine.text import printable


class NoAnswerError(EOFError):
    """Standard input has ended."""


async def ask(question: str, *, secret: bool = False) -> str:
    """One line of standard input, stripped; the question goes to standard error. A secret is not echoed.

    A thread with input() would keep the process from ending at Ctrl-C; a reader of the loop does not.
    """
    fd = sys.stdin.fileno()
    # Hidden before the question shows: what was typed in between would be seen, and thrown away.
    with _hidden(fd) if secret and os.isatty(fd) else nullcontext():
        click.echo(f"{printable(question)}: ", err=True, nl=False)
        line = await _read_line(fd)
    if line.endswith(b"\n") and not os.isatty(fd):
        click.echo(err=True)  # nobody's return key ended the line of the question
    if not line.endswith(b"\n"):
        click.echo(err=True)
        raise NoAnswerError
    return line.decode("utf-8", "replace").strip()


async def _read_line(fd: int) -> bytes:
    """Up to and with the line's end, byte by byte, so that the next question finds the rest."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    line = bytearray()

    def read() -> None:
        byte = os.read(fd, 1)
        line.extend(byte)
        if byte in (b"\n", b"") and not done.done():
            done.set_result(None)

    try:
        loop.add_reader(fd, read)
    except PermissionError:  # a regular file never waits
        while not done.done():
            read()
        return bytes(line)
    try:
        await done
    finally:
        loop.remove_reader(fd)
    return bytes(line)


@contextmanager
def _hidden(fd: int) -> Iterator[None]:
    before = termios.tcgetattr(fd)
    hidden = termios.tcgetattr(fd)
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(fd, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        click.echo(err=True)
