"""What every measured program is to the bench."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server

#: Settings of the user's own that would lead a program elsewhere.
PRIVATE = ("TGBULK_", "TELEGRAM_", "TG_", "PYTHON")


class Exporter(Protocol):
    """A program that writes chats to disk."""

    @property
    def name(self) -> str:
        """As the table shows it; one home a name and server."""

    @property
    def is_peer(self) -> bool:
        """Whether it is somebody else's program, which is left out where it cannot be run."""

    def prepare(self, server: Server, home: Path) -> None:
        """Install it if need be, log it in, and configure it in its empty home. NotRunnableError for a peer."""

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        """The command that exports these chats into the existing folder `output`."""

    def count(self, home: Path, output: Path) -> int:
        """How many messages it has written."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """The variables of a program that is to find nothing of this machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return kept | {"HOME": str(home)} | more


def count_lines(paths: Sequence[Path]) -> int:
    """Newlines in these files."""
    total = 0
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                total += chunk.count(b"\n")
    return total
