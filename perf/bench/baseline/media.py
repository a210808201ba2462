"""Telethon's download_media in a plain loop, in tgbulk's own virtual environment."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.bench.baseline.start import start
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.session import log_in


@dataclass(frozen=True, slots=True)
class PlainMedia:
    """`download_media()` of each message, files only."""

    name: str = "download_media"
    is_peer: bool = False

    def prepare(self, server: Server, home: Path) -> None:
        log_in(server.settings, home / "main.session")

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        (chat,) = chats
        folder = output / "files"
        folder.mkdir()
        arguments = [str(home / "main.session"), chat.username, f"{folder}/"]
        command = start(server, home, Path(sys.executable), "tgbulk.perf.bench.baseline.media_loop:main", arguments)
        return Launch(command, environment(home), output)

    def count(self, home: Path, output: Path) -> int:
        """Its files: there is one a message."""
        return len(list((output / "files").iterdir()))
