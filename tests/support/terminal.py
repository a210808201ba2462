"""A command on a terminal of its own, for what people type and see."""
from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

#: Seconds for what a machine with other work may take long for.
TIMEOUT = 180


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """Standard input, output and error are the terminal."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self._master, self.slave = pty.openpty()
        self._screen = bytearray()
        self._read_to = 0
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self._master)

    @property
    def screen(self) -> str:
        """Everything written so far."""
        return self._screen.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def expect(self, text: str) -> str:
        """Read until the text comes; what came before it since the last call."""
        deadline = time.monotonic() + TIMEOUT
        while (found := self._screen.find(text.encode(), self._read_to)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} in {self.screen!r}"
            if select.select([self._master], [], [], min(left, 0.2))[0]:
                self._screen += os.read(self._master, 65536)
            else:
                assert self.process.poll() is None, f"ended without {text!r}: {self.screen!r}"
        before = self._screen[self._read_to : found].decode()
        self._read_to = found + len(text.encode())
        return before.replace("\r\n", "\n")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait(self) -> int:
        """The exit code, with everything on the screen, which is read all the time: a full one holds its command up."""
        deadline = time.monotonic() + TIMEOUT
        while (code := self.process.poll()) is None or select.select([self._master], [], [], 0)[0]:
            assert time.monotonic() < deadline, f"does not end: {self.screen[-2000:]!r}"
            if select.select([self._master], [], [], 0.05)[0]:
                self._screen += os.read(self._master, 65536)
        return code
