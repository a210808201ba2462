"""Messages that nothing can decode, and messages of which the decoding process dies."""
from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from telethon.tl import types

from support.rig import Rig, differences
from tgbulk.engine import document

#: A constructor that no layer has.
UNKNOWN = b"\xde\xad\xbe\xef" * 8
MIDDLE, SMALL = -1003000000002, -1003000000003


def fatal(message_id: int, marked: int) -> bytes:
    """A message whose formatting is nested too deep to be written as JSON: the worker that has it dies."""
    text: Any = types.TextPlain("deep")
    for _ in range(270):
        text = types.TextBold(text)
    page = types.Page("https://example.org", [types.PageBlockParagraph(text)], [], [])
    web = types.WebPage(1, "https://example.org", "example.org", 0, cached_page=page)
    peer = types.PeerChannel(-10**12 - marked)
    when = datetime.fromtimestamp(1_700_000_000, UTC)
    return bytes(types.Message(message_id, peer, when, "", media=types.MessageMediaWebPage(web)))


class Spoiler:
    """Spoils messages of the server, and makes them whole again."""

    def __init__(self, rig: Rig, ids: dict[int, list[int]]) -> None:
        self._dc = rig.dc
        #: by marked id: the ids of all messages, ascending
        self.ids = ids
        self._spoilt: list[tuple[int, int]] = []

    def spoil(self, marked: int, message_id: int, data: bytes) -> None:
        self._dc.control("spoil", chat=marked, id=message_id, data=base64.b64encode(data).decode())
        self._spoilt.append((marked, message_id))

    def heal(self) -> None:
        for marked, message_id in self._spoilt:
            self._dc.control("spoil", chat=marked, id=message_id, data="")
        self._spoilt.clear()


@pytest.fixture
def spoiler(rig: Rig, reference: dict[str, Any]) -> Iterator[Spoiler]:
    ids = {m: [orjson.loads(line)["id"] for line in reference[f"{m} messages"].splitlines()] for m in (MIDDLE, SMALL)}
    made = Spoiler(rig, ids)
    yield made
    made.heal()


def messages(archive: Path, marked: int) -> list[int]:
    return [orjson.loads(line)["id"] for line in (archive / f"chats/{marked}/messages.jsonl").read_bytes().splitlines()]


def summary(archive: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(max(archive.glob("runs/*/summary.json"), key=lambda p: p.stat().st_mtime).read_text())
    return found


@pytest.mark.parametrize("place", [0, 57, 58, 129])
def test_an_unknown_constructor_costs_one_message(
    rig: Rig, archive: Path, reference: dict[str, Any], spoiler: Spoiler, place: int
) -> None:
    """First, in the middle, two in a row with the next, and last."""
    ids = spoiler.ids[SMALL]
    bad = [ids[place]] + ([ids[place + 1]] if place == 58 else [])
    for one in bad:
        spoiler.spoil(SMALL, one, UNKNOWN)
    done = rig.export(archive, chats=["@sim_small"])
    assert done.returncode == 3, done.stderr
    assert messages(archive, SMALL) == [one for one in ids if one not in bad]
    last = 0 if place == 129 else ids[place + len(bad)] - 1
    about = document.load(archive / f"chats/{SMALL}/chat.json")
    assert (about["state"], about["quarantined"]) == ("gaps", [[bad[0], last]])
    assert about["statement"]["quarantined"] == [[bad[0], last]]
    assert (about["statement"]["missing"], about["statement"]["filtered"]) == ([], [])
    kept = archive / f"quarantine/{SMALL}-{bad[0]}-{last}.tl"
    said = document.load(kept.with_suffix(".json"))
    assert (said["first"], said["last"], sum(said["sizes"])) == (bad[0], last, kept.stat().st_size)
    assert kept.read_bytes().count(UNKNOWN) == len(bad)
    assert f"{SMALL}: id" in done.stderr
    assert [chat["gaps"] for chat in summary(archive)["complete"] if chat["marked_id"] == SMALL] == [1]
    verified = rig.run("verify", archive)
    assert (verified.returncode, "it has gaps" in verified.stdout) == (3, True), verified.stdout + verified.stderr

    assert rig.export(archive, chats=["@sim_small"]).returncode == 3
    assert [path.name for path in archive.glob("quarantine/*.tl")] == [kept.name]

    spoiler.heal()
    (archive / f"quarantine/{SMALL}-5-9.tl").write_bytes(b"of a crash before the commit")
    done = rig.export(archive, chats=["@sim_small"])
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, SMALL) == []


@pytest.mark.parametrize(("first", "behind"), [(3, 127), (0, 130)])
def test_more_than_a_hundred_in_a_row(
    rig: Rig, archive: Path, reference: dict[str, Any], spoiler: Spoiler, first: int, behind: int
) -> None:
    """They are set aside, and the walk goes on behind them, where there is anything."""
    ids = spoiler.ids[SMALL]
    for one in ids[first:behind]:
        spoiler.spoil(SMALL, one, UNKNOWN)
    done = rig.export(archive, chats=["@sim_small"])
    assert done.returncode == 3, done.stderr
    assert messages(archive, SMALL) == ids[:first] + ids[behind:]
    [kept] = archive.glob("quarantine/*.tl*")
    assert kept.stem.split("-")[2:] == [str(ids[first]), str(ids[behind] - 1 if behind < len(ids) else 0)]
    assert kept.read_bytes().count(UNKNOWN) == behind - first
    assert sum(document.load(kept.with_suffix(".json"))["sizes"]) == kept.stat().st_size
    assert rig.run("verify", archive).returncode == 3
    spoiler.heal()
    done = rig.export(archive, chats=["@sim_small"])
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, SMALL) == []


def test_a_message_of_which_workers_die_costs_one_message(
    rig: Rig, archive: Path, reference: dict[str, Any], spoiler: Spoiler
) -> None:
    """Four of them, more deaths than the budget has: but their cause is known each time."""
    bad = [spoiler.ids[MIDDLE][place] for place in (20, 333, 334, 700)]
    for one in bad:
        spoiler.spoil(MIDDLE, one, fatal(one, MIDDLE))
    done = rig.export(archive, "--workers", "2", chats=["@sim_middle"])
    assert done.returncode == 3, done.stderr
    assert messages(archive, MIDDLE) == [one for one in spoiler.ids[MIDDLE] if one not in bad]
    assert [path.stem.split("-")[2] for path in sorted(archive.glob("quarantine/*.tl"))] == [str(bad[n]) for n in (0, 1, 3)]
    spoiler.heal()
    done = rig.run("export", "--retry-failed", "-o", archive)
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, MIDDLE) == []


def test_within_a_takeout(
    rig: Rig, readers: int, archive: Path, reference: dict[str, Any], spoiler: Spoiler
) -> None:
    """The smaller pages are asked for in it as well; it stays open until nothing is left."""
    ids = spoiler.ids[MIDDLE]
    bad = [ids[place] for place in (1, 450, 451)]
    for one in bad:
        spoiler.spoil(MIDDLE, one, UNKNOWN)
    rig.dc.control("reset")
    done = rig.export(archive, "--takeout", "yes", chats=["@sim_middle"])
    assert done.returncode == 3, done.stderr
    assert rig.dc.counters()["methods"]["account.initTakeoutSession"]["calls"] == readers
    assert messages(archive, MIDDLE) == [one for one in ids if one not in bad]
    spoiler.heal()
    done = rig.export(archive, "--takeout", "yes", chats=["@sim_middle"])
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, MIDDLE) == []
