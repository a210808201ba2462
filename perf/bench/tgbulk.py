"""The exporter of this repository, by its command line."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perf.bench.error import BenchError
from perf.bench.exporter import Chat, count_lines, environment
from perf.bench.measure import Launch
from perf.bench.server import Server

#: The script that was installed beside the interpreter.
TGBULK = str(Path(sys.executable).with_name("tgbulk"))


@dataclass(frozen=True, slots=True)
class TgBulk:
    """`tgbulk export` with these options more, on so many accounts."""

    options: tuple[str, ...] = ()
    accounts: int = 1
    name: str = "tgbulk"
    is_peer: bool = False

    def prepare(self, server: Server, home: Path) -> None:
        """Log all accounts in."""
        for index, account in enumerate(server.accounts[: self.accounts]):
            words = ["--phone", f"+{account['phone']}", "--code", account["code"], "--account", f"account{index}"]
            if "password" in account:
                secret = home / "password"
                secret.touch(mode=0o600)
                secret.write_text(account["password"])
                words += ["--password-file", str(secret)]
            done = subprocess.run(
                [TGBULK, "login", *words], env=self._environment(server, home), cwd=home, capture_output=True, text=True,
                stdin=subprocess.DEVNULL,
            )
            if done.returncode:
                raise BenchError(f"tgbulk login ended with exit code {done.returncode}: {done.stderr.strip()}")

    def launch(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        """Events are written to standard output as JSON lines."""
        words = [f"@{chat.username}" for chat in chats]
        for index in range(self.accounts):
            words += ["--account", f"account{index}"]
        command = [TGBULK, "export", *words, "--output", str(output / "archive"), "--json", *self.options]
        return Launch(command, self._environment(server, home), output)

    def count(self, home: Path, output: Path) -> int:
        """Lines of all messages.jsonl."""
        return count_lines(list(output.glob("archive/chats/*/messages.jsonl")))

    def _environment(self, server: Server, home: Path) -> dict[str, str]:
        return environment(home, TGBULK_HOME=str(home), TGBULK_SERVER=str(server.file))


def ranges(output: Path, otherwise: int) -> int:
    """How many ranges the last run says that it walked, in its summary; `otherwise` where it says nothing."""
    for line in reversed((output / "stdout").read_text().splitlines()):
        event = json.loads(line)
        if event["event"] == "summary":
            found = [chat["ranges"] for chat in event["complete"] if "ranges" in chat]
            return sum(found) if found else otherwise
    return otherwise
