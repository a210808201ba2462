"""tg-chat-dump: id ranges of 5,000, three workers an account, in a takeout."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.bench.baseline.start import start
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.environment import Environment
from tgbulk.perf.bench.exporter import count_lines, environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.session import log_in

ENVIRONMENT = Environment("tg-chat-dump==1.2.1")


@dataclass(frozen=True, slots=True)
class TgChatDump:
    """Its defaults, without the HTML reader: an export writes SQLite, JSON lines and text."""

    name: str = "tg-chat-dump"
    is_peer: bool = True

    def prepare(self, server: Server, home: Path) -> None:
        ENVIRONMENT.python()

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        """It keeps what it has seen beside its session, so every run gets a session of its own."""
        (chat,) = chats
        (output / "data").mkdir()
        log_in(server.settings, output / "data" / "main.session")
        arguments = [f"@{chat.username}", "--workers", "3", "--with", "takeout"]
        command = start(server, home, ENVIRONMENT.python(), "tgdump.cli:run", arguments)
        return Launch(
            command, environment(home, TG_HOME=str(output), TG_API_ID="12345", TG_API_HASH="0" * 32), output
        )

    def count(self, home: Path, output: Path) -> int:
        return count_lines(list(output.glob("out/*/messages.jsonl")))
