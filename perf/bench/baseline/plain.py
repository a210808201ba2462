"""The plain Telethon loop, in tgbulk's own virtual environment."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.bench.baseline.start import start
from perf.bench.exporter import Chat, count_lines, environment
from perf.bench.measure import Launch
from perf.bench.server import Server
from perf.bench.session import log_in


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
        command = start(server, home, Path(sys.executable), "perf.bench.baseline.loop:main", arguments)
        return Launch(command, environment(home), output)

    def count(self, home: Path, output: Path) -> int:
        return count_lines([output / "messages.jsonl"])
