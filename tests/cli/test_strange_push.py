"""Pushes that are none: a follower goes on, and what is told after them, or was missed through them, is in the archive."""
from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from telethon.tl import types

from support.command import Tgbulk, at_home
from support.exporter import ended
from support.peak import MOST, Peak
from tgbulk.perf.simdc.launcher import SimDC

CHAT = -1003000000001
CHANNEL = 3000000001
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Seconds that a message may take on a slow machine.
PATIENCE = 60.0
HEAD = pack("<I", types.Updates.CONSTRUCTOR_ID)
VECTOR = bytes.fromhex("15c4b51c")
END = 2 * (VECTOR + bytes(4)) + bytes(8)


def updates(*found: Any) -> bytes:
    return HEAD + VECTOR + pack("<i", len(found)) + b"".join(map(bytes, found)) + END


def swarm(update: Any, count: int) -> dict[str, Any]:
    head = HEAD + VECTOR + pack("<i", count)
    return {"head": coded(head), "data": coded(bytes(update) * 100), "repeat": count // 100, "tail": coded(END)}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def new(message: Any, pts: int = 5) -> Any:
    return types.UpdateNewChannelMessage(message, pts, 1)


STRANGE = {
    "an empty message": updates(new(types.MessageEmpty(5, None))),
    "of another chat": updates(new(types.Message(5, types.PeerUser(7), NOW, "text"))),
    "no message": updates(new(types.UserEmpty(5)), types.UpdateEditChannelMessage(types.UpdateConfig(), 5, 1)),
    "short": bytes(types.UpdateShort(new(types.UpdateConfig()), NOW)),
    "no message of a private chat": updates(types.UpdateNewMessage(types.UserEmpty(5), 50_000, 1)),
    "no update": updates(types.UserEmpty(5)),
    "updates in updates": updates(types.Updates([], [], [], NOW, 0)),
    "no user": HEAD + VECTOR + bytes(4) + VECTOR + pack("<i", 1) + bytes(types.UpdateConfig()) + VECTOR + bytes(12),
    "another channel": updates(types.UpdateDeleteChannelMessages(1 << 62, [3], 9, 1), types.UpdateChannelTooLong(1 << 62)),
    "the last pts": updates(types.UpdateDeleteChannelMessages(CHANNEL, [3], 2**31 - 1, 1)),
    "all steps to it": updates(types.UpdateDeleteChannelMessages(CHANNEL, [3], 2**31 - 1, 2**31 - 1)),
    "a million steps": updates(types.UpdateDeleteChannelMessages(CHANNEL, [3, 4], 1_000_000, 1_000_000)),
    "all steps of the common box": updates(types.UpdateDeleteMessages([], 2**31 - 1, 2**31 - 1)),
    "a pts below all": updates(types.UpdateDeleteChannelMessages(CHANNEL, [3], -5, -(2**31))),
    "garbage": b"\xde\xad\xbe\xef" * 50,
    "a vector below zero": HEAD + VECTOR + pack("<i", -5) + b"abcd",
    "times and numbers below zero": HEAD + 3 * (VECTOR + bytes(4)) + pack("<ii", -(2**31), -(2**31)),
}
SWARMS = {
    "of the smallest": swarm(types.UpdateConfig(), 2_000_000),
    "of messages": swarm(types.UpdateNewMessage(types.MessageEmpty(4, None), 5, 1), 400_000),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tgbulk]:
    with SimDC("--bulk", "lively=60") as dc:
        tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
        assert tgbulk.login().returncode == 0
        yield tgbulk


def ids(archive: Path) -> list[int]:
    path = archive / "chats" / str(CHAT) / "messages.jsonl"
    return [json.loads(line)["id"] for line in path.read_text().splitlines()] if path.exists() else []


def is_told(home: Tgbulk, archive: Path, process: subprocess.Popen[str]) -> bool:
    """A message that comes now reaches the archive."""
    (one,) = home.dc.control("mutate", chat=CHAT, insert=1)["insert"]
    deadline = time.monotonic() + PATIENCE
    while one not in ids(archive):
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def push(home: Tgbulk, **what: Any) -> None:
    assert home.dc.control("push", **what) == 1


def test_a_follower_goes_on(home: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with ended(home.start("follow", str(archive), "@sim_lively", "me", "-q")) as process:
        peak = Peak(process.pid)
        assert is_told(home, archive, process)
        for name, body in STRANGE.items():
            push(home, data=coded(body))
            assert is_told(home, archive, process), (name, process.communicate())
        for name, what in SWARMS.items():
            push(home, **what)
            assert is_told(home, archive, process), (name, process.communicate())
        assert peak.stop() < MOST
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    found = ids(archive)
    assert found == sorted(set(found))
    assert home("verify", str(archive), "--against-server").returncode == 0
