"""Telethon's download_media in a plain loop, in tgbulk's own virtual environment."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.bench.baseline.start import start
from perf.bench.exporter import Chat, environment
from perf.bench.measure import Launch
from perf.bench.server import Server
from perf.bench.session import log_in


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
        command = start(server, home, Path(sys.executable), "perf.bench.baseline.media_loop:main", arguments)
        return Launch(command, environment(home), output)

    def count(self, home: Path, output: Path) -> int:
        """Its files: there is one a message."""
        return len(list((output / "files").iterdir()))
