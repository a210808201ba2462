"""tgbulk, started by a module that changes something first."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.tgbulk import TgBulk


@dataclass(frozen=True, slots=True)
class Variant(TgBulk):
    """`module` takes the words of tgbulk."""

    module: str = ""

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        """The same command, through the module."""
        launch = TgBulk.launch(self, server, home, chats, output)
        command = [sys.executable, "-m", self.module, *launch.command[1:]]
        return replace(launch, command=command)
