"""A server, a logged-in home, exports that can be watched and killed, and the archive that they must come to."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from tgbulk.engine import document
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.telegram.peer import marked_id

COMMAND = str(Path(sys.executable).parent / "tgbulk")
#: Seconds that a command may take on a busy machine.
PATIENCE = 240.0
#: Seconds in which everybody has left who lost the supervisor.
LEAVE_SECONDS = 6.0
#: A slow server, so that there is time to kill somebody.
LATENCY = 10
ACCOUNTS = 3
BULK = ("--bulk", "large=4000", "--bulk", "middle=900", "--bulk", "small=130", "--latency", f"{LATENCY}")
SERVER = ("--accounts", f"{ACCOUNTS}", *BULK)
CHATS = ("@sim_large", "@sim_middle", "@sim_small")
#: Options of exports that are to last.
SLOWLY = ("--workers", "2", "--max-in-flight", "2", "--quiet")


@dataclass
class Rig:
    """`tgbulk` in a home of its own. `temporary` is where all its processes have their temporary files."""

    dc: SimDC
    home: Path
    temporary: Path
    #: options of every export: the accounts that share its chats
    readers: tuple[str, ...] = ()

    @classmethod
    def make(cls, dc: SimDC, home: Path, first: int = 0, accounts: int = 1, sharing: bool = False) -> Rig:
        """Log so many of the server's accounts in, from the first on, as main, account1, ...; sharing: all export."""
        names = ["main", *(f"account{index}" for index in range(1, accounts))]
        rig = cls(dc, home, home / "tmp", tuple(word for name in names for word in ("--account", name)) if sharing else ())
        rig.temporary.mkdir(parents=True)
        for name, account in zip(names, dc.accounts[first : first + accounts], strict=True):
            words = ["login", "--phone", account["phone"], "--code", account["code"], "--account", name]
            if "password" in account:
                secret = home / "password"
                secret.touch(0o600)
                secret.write_text(account["password"])
                words += ["--password-file", str(secret)]
            done = rig.run(*words)
            assert done.returncode == 0, done.stderr
        return rig

    @property
    def environment(self) -> dict[str, str]:
        tree = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        return {
            **tree,
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.temporary),
            "TGBULK_HOME": str(self.home),
            "TGBULK_SERVER": str(self.dc.server_file),
        }

    def run(self, *words: object, before: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        """`tgbulk` with these words to its end; `before`: a command that starts it."""
        return subprocess.run(
            [*before, COMMAND, *map(str, words)],
            env={**self.environment, **variables}, cwd=self.home, capture_output=True, text=True, timeout=PATIENCE,
            stdin=subprocess.DEVNULL, check=False,
        )

    def export(self, archive: Path, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """An export of CHATS, or of other `chats`, to its end."""
        return self.run("export", *options.pop("chats", CHATS), "-o", archive, *self.readers, *words, **options)

    def start(self, archive: Path, *words: object, chats: Sequence[str] = CHATS, **variables: str) -> Export:
        """An export that goes on while the test does."""
        process = subprocess.Popen(
            [COMMAND, "export", *chats, "-o", str(archive), *self.readers, *map(str, words)],
            env={**self.environment, **variables}, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )
        return Export(process)

    @contextmanager
    def slow(self) -> Iterator[None]:
        """A server so slow that an export lasts until the end of the block, and some seconds longer."""
        self.dc.control("set", latency_ms=200)
        try:
            yield
        finally:
            self.dc.control("set", latency_ms=LATENCY)

    def finish(self, archive: Path, *words: object) -> int:
        """Run the same command until it is complete, as advised; how often it took."""
        for turn in range(1, 6):
            done = self.export(archive, "--quiet", *words)
            if done.returncode == 0:
                return turn
        raise AssertionError(f"{done.returncode}: {done.stderr}")

    def left(self) -> list[str]:
        """What is left behind: processes of this home, temporary files, shared memory with a name."""
        found = [str(path) for path in self.temporary.rglob("*")]
        found += [f"/dev/shm/{name}" for name in os.listdir("/dev/shm") if "tgbulk" in name]
        mark = f"TGBULK_HOME={self.home}".encode()
        for process in psutil.process_iter():
            try:
                environment = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                if mark in environment and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"process {process.pid}: {process.name()}")
            except (OSError, psutil.NoSuchProcess):
                pass
        return found


class Export:
    """A running export."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def members(self) -> dict[str, psutil.Process]:
        """Every process of it by name: supervisor, forkserver, fetch, write, collect, process-0, ..."""
        found = {}
        try:
            supervisor = psutil.Process(self.process.pid)
            found["supervisor"] = supervisor
            for child in supervisor.children():
                found["forkserver"] = child
                # The name in comm is cut to 15 bytes; equal ones are workers.
                for number, one in enumerate(child.children()):
                    name = one.name().removeprefix("tgbulk-").rstrip("0123456789")
                    found[name if name != "process-" else f"process-{number}"] = one
        except psutil.NoSuchProcess:
            pass
        return found

    def wait_for(self, name: str) -> psutil.Process:
        """The process of this name, once there is one."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for found, process in self.members().items():
                if found.startswith(name):
                    return process
            assert self.process.poll() is None, self.output()
            time.sleep(0.01)
        raise AssertionError(f"no process {name}")

    def wait_for_commit(self, archive: Path) -> None:
        """Until the journal has something."""
        until = time.monotonic() + PATIENCE
        while not ((archive / "journal").exists() and (archive / "journal").stat().st_size):
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < until
            time.sleep(0.01)

    def output(self) -> str:
        return self.process.communicate(timeout=PATIENCE)[0]

    def end(self) -> tuple[int, str]:
        """(exit code, what it said), at its end."""
        output = self.output()
        return self.process.returncode, output

    def close(self) -> None:
        """End what is left of it."""
        for process in self.members().values():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        self.process.communicate()


def ended(export: Export, seconds: float) -> bool:
    """Whether it ended within so many seconds."""
    try:
        export.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def left_after(seconds: float, members: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Who of these still lives after so many seconds."""
    return [one for one in psutil.wait_procs(members, seconds)[1] if one.status() != psutil.STATUS_ZOMBIE]


def content(root: Path, shared: bool = False) -> dict[str, Any]:
    """All that must be equal after whatever history: messages byte for byte, peers and journal by content; and no more.

    Where accounts share the chats, only what all of them see, whoever asked.
    """
    archive = Archive(root)
    found: dict[str, Any] = {"shared": shared}
    for marked, row in sorted(read_journal(archive).chats.items()):
        folder = archive.chat(marked)
        about = document.load(folder.about)
        found[f"{marked} messages"] = folder.messages.read_bytes()
        found[f"{marked} peers"] = {marked_id(peer): _lasting(peer) for peer in _lines(folder.peers.path)}
        found[f"{marked} journal"] = (
            row.state, row.messages, row.services, row.joined, row.ranges, row.empty
        )
        found[f"{marked} about"] = {name: about[name] for name in ("title", "state", "messages", "covered", "empty_ids")}
        found[f"{marked} files"] = sorted(os.listdir(folder.path))
    found["files"] = sorted(set(os.listdir(root)) - {"runs"})
    if shared:
        found |= {name: _seen_by_all(name, value) for name, value in found.items()}
    return found


def message_ids(found: dict[str, Any]) -> dict[str, list[int]]:
    """Of a content(), all that two accounts see alike: access hashes are each account's own, in messages as well."""
    return {
        name: [orjson.loads(line)["id"] for line in lines.splitlines()]
        for name, lines in found.items()
        if name.endswith(" messages")
    }


def differences(root: Path, reference: dict[str, Any], *chats: int) -> list[str]:
    """What of an archive, or of its only chats, is not as it should be."""
    mine = content(root, reference["shared"])
    if chats:
        names = ("files", "shared", *(f"{chat} " for chat in chats))
        reference = {name: value for name, value in reference.items() if name.startswith(names)}
    return [name for name in sorted(mine.keys() | reference.keys()) if mine.get(name) != reference.get(name)]


def _seen_by_all(name: str, value: Any) -> Any:
    if name.endswith(" messages") and value.endswith(b"\n"):
        return b"\n".join(orjson.dumps(_without_access_hashes(orjson.loads(line))) for line in value.splitlines())
    if name.endswith(" peers"):
        return set(value)  # the rest depends on who met them first
    if name.endswith(" journal"):
        state, messages, services, joined, ranges, empty = value
        return state, messages, services, joined, [(one.lo, one.hi) for one in ranges], empty
    return value


def _without_access_hashes(value: Any) -> Any:
    """They are an account's own."""
    if isinstance(value, dict):
        return {name: _without_access_hashes(one) for name, one in value.items() if name != "access_hash"}
    return [_without_access_hashes(one) for one in value] if isinstance(value, list) else value


def _lasting(peer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in peer.items() if name != "status"}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)
