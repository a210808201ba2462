"""tg-export: one request at a time in a takeout, SQLite and HTML."""
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from telethon.utils import resolve_id

from tgbulk.perf.bench.baseline.start import start
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.environment import Environment
from tgbulk.perf.bench.exporter import environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.session import log_in

ENVIRONMENT = Environment("tg-export==2.1.1")
#: One chat, nothing else of the account, no media.
CONFIG = """\
output: {{path: {output}}}
defaults: {{media: {{types: []}}}}
personal_info: false
contacts: false
sessions: false
userpics: false
stories: false
profile_music: false
chats: [{{id: {chat_id}, name: {chat_name}}}]
unmatched: {{action: skip}}
"""


@dataclass(frozen=True, slots=True)
class TgExport:
    """Its defaults, for one chat without media."""

    name: str = "tg-export"
    is_peer: bool = True

    def prepare(self, server: Server, home: Path) -> None:
        ENVIRONMENT.python()
        (home / "sessions").mkdir()
        ids = log_in(server.settings, home / "sessions" / "main.session", [chat.username for chat in server.chats])
        for chat, marked_id in zip(server.chats, ids, strict=True):
            (home / f"id-{chat.name}").write_text(str(resolve_id(marked_id)[0]))
        self._write(home / "api_credentials.yaml", f"api_id: 12345\napi_hash: '{'0' * 32}'\n")
        self._write(home / "config.yaml", "min_free_space: 0\n")

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        (chat,) = chats
        chat_id = (home / f"id-{chat.name}").read_text()
        self._write(home / "main.yaml", CONFIG.format(output=output / "out", chat_id=chat_id, chat_name=chat.name))
        command = start(server, home, ENVIRONMENT.python(), "tg_export.cli:run_cli", ["run", "--account", "main"])
        return Launch(command, environment(home, TG_EXPORT_CONFIG_DIR=str(home)), output)

    def count(self, home: Path, output: Path) -> int:
        total = 0
        for path in output.glob("out/*/.tg-export-state.db"):
            with closing(sqlite3.connect(path)) as database:
                total += database.execute("select count(*) from messages").fetchone()[0]
        return total

    def _write(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)
