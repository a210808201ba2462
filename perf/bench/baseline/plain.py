"""The plain Telethon loop, in tgbulk's own virtual environment."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.bench.baseline.start import start
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.exporter import count_lines, environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.session import log_in


@dataclass(frozen=True, slots=True)
class Plain:
    """`iter_messages(wait_time=0, limit=None)`, to_json() of each message written as a line."""

    name: str = "Telethon loop"
    is_peer: bool = False

    def prepare(self, server: Server, home: Path) -> None:
        log_in(server.settings, home / "main.session")

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        (chat,) = chats
        arguments = [str(home / "main.session"), chat.username, str(output / "messages.jsonl")]
        command = start(server, home, Path(sys.executable), "tgbulk.perf.bench.baseline.loop:main", arguments)
        return Launch(command, environment(home), output)

    def count(self, home: Path, output: Path) -> int:
        return count_lines([output / "messages.jsonl"])
