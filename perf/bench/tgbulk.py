"""The exporter of this repository, by its command line."""
from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.exporter import count_lines, environment
from tgbulk.perf.bench.measure import Launch
from tgbulk.perf.bench.server import Server

#: Programs that log in at a time.
LOGINS_AT_ONCE = 4
#: The script that was installed beside the interpreter.
TGBULK = str(Path(sys.executable).with_name("tgbulk"))


class Naming(Enum):
    """How the chats of a job get to the command: as words, one a run, or by standard input."""

    WORDS = "words"
    EACH = "each"
    FEED = "feed"


@dataclass(frozen=True, slots=True)
class TgBulk:
    """`tgbulk export` with these options more, on so many accounts."""

    options: tuple[str, ...] = ()
    accounts: int = 1
    #: with the pace that earlier runs learnt
    warm: bool = False
    #: chats by their marked ids: looking so many usernames up takes Telegram's minutes
    by_id: bool = False
    naming: Naming = Naming.WORDS
    name: str = "tgbulk"
    is_peer: bool = False

    def prepare(self, server: Server, home: Path) -> None:
        """Log all accounts in, some at a time."""
        with ThreadPoolExecutor(LOGINS_AT_ONCE) as executor:
            list(executor.map(lambda index: self._log_in(server, home, index), range(self.accounts)))

    def _log_in(self, server: Server, home: Path, index: int) -> None:
        account = server.accounts[index]
        words = ["--phone", f"+{account['phone']}", "--code", account["code"], "--account", f"account{index}"]
        if "password" in account:
            secret = home / f"password{index}"
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
        if not self.warm:
            for pace in home.glob("sessions/*/*.pace"):
                pace.unlink()
        words = [str(server.marked_id(chat)) if self.by_id else f"@{chat.username}" for chat in chats]
        options = [word for index in range(self.accounts) for word in ("--account", f"account{index}")]
        command = [TGBULK, "export", *options, "--output", str(output / "archive"), "--json", *self.options]
        environment = self._environment(server, home)
        if self.naming is Naming.FEED:
            names = output / "names"
            names.write_text("".join(f"{word}\n" for word in words))
            return Launch([*command, "--feed"], environment, output, stdin=names)
        if self.naming is Naming.EACH:
            loop = f'for chat; do {shlex.join(command)} "$chat" || exit; done'
            return Launch(["sh", "-c", loop, "sh", *words], environment, output, len(words))
        return Launch([*command[:2], *words, *command[2:]], environment, output)

    def follow(self, server: Server, home: Path, chats: Sequence[Chat], output: Path) -> Launch:
        """The command that follows them, until it is told to stop."""
        words = [f"@{chat.username}" for chat in chats]
        command = [TGBULK, "follow", str(output / "archive"), *words, "--account", "account0", "--quiet", *self.options]
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
