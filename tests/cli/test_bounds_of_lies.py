"""Servers that send without end: whatever it is, the run ends as it should and its processes stay small."""
from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telethon.tl import types

from support.exporter import HISTORY, Exporter, ended
from support.medium import GET_FILE
from support.peak import MOST, Peak


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def many_empty(count: int) -> dict[str, Any]:
    """One page of that many messageEmpty."""
    head = bytes(types.messages.ChannelMessages(1, 3000, [], [], [], []))
    empty = bytes(types.MessageEmpty(7, None))
    vector = head.index(bytes.fromhex("15c4b51c")) + 4
    number = count.to_bytes(4, "little")
    return {"head": coded(head[:vector] + number), "data": coded(empty), "repeat": count, "tail": coded(head[vector + 4 :])}


@pytest.fixture
def lying(media_exporter: Exporter) -> Iterator[Exporter]:
    yield media_exporter
    for method in (HISTORY, GET_FILE):
        media_exporter.dc.control("lie", method=method)


@pytest.mark.parametrize(
    ("method", "lie", "code"),
    [
        (HISTORY, {"lie": "raw", "data": coded(bytes(1 << 10)), "repeat": 64 << 10}, 3),
        (HISTORY, {"lie": "raw", "data": coded(b"\xde\xad\xbe\xef"), "repeat": 14 << 18}, 3),
        (HISTORY, {"lie": "raw", **many_empty(150_000)}, 3),
        (HISTORY, {"lie": "change", "field": "messages.*.message", "value": "long " * 10_000}, 0),
        (GET_FILE, {"lie": "raw", "data": coded(bytes(1 << 10)), "repeat": 14 << 10}, 3),
        (GET_FILE, {"lie": "endless"}, 3),
    ],
    ids=["bomb", "14 MB", "150,000 messages", "long texts", "14 MB for a file", "endless files"],
)
def test_what_has_no_end(lying: Exporter, tmp_path: Path, method: str, lie: dict[str, Any], code: int) -> None:
    lying.dc.control("lie", method=method, **lie)
    with ended(lying.start(tmp_path, "@sim_gone", "--media", "all")) as process:
        peak = Peak(process.pid)
        _, said = process.communicate(timeout=120)
        most = peak.stop()
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert 0 < most < MOST
