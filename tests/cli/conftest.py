from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import ACCOUNTS, Tgbulk, at_home
from support.exporter import CALM, Exporter
from support.medium import BIG, GET_FILE, SMALL
from tgbulk.perf.simdc.launcher import SimDC

#: @sim_bulk and @sim_middle, whatever runs before.
STEADY = {-1003000000001, -1003000000003}
#: @sim_gone and @sim_lost: files that tests delete, and that no other test counts.
CHANGING = {-1003500000003, -1003500000004}


@pytest.fixture(scope="session")
def dc() -> Iterator[SimDC]:
    with SimDC("--accounts", str(ACCOUNTS)) as running:
        yield running


@pytest.fixture
def tgbulk(dc: SimDC, tmp_path: Path) -> Tgbulk:
    return at_home(dc, tmp_path)


@pytest.fixture(scope="session")
def _sessions(dc: SimDC, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    assert at_home(dc, home).login().returncode == 0
    return home / "sessions"


@pytest.fixture
def logged_in(tgbulk: Tgbulk, _sessions: Path) -> Tgbulk:
    """The same with account main logged in. Others have a copy of this login: who ends it at the server makes one."""
    shutil.copytree(_sessions, tgbulk.home / "sessions")
    return tgbulk


@pytest.fixture(scope="session")
def _exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--accounts", "3", "--bulk", "bulk=20000", "--bulk", "changing=3000", "--bulk", "middle=5000") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def exporter(_exporter: Exporter) -> Iterator[Exporter]:
    """Two accounts of a server with large chats, logged in; what a test does to the server's temper ends with it."""
    _exporter.calm()
    _exporter.forget_waits()
    yield _exporter
    changed = {one["chat"] for one in _exporter.dc.control("mutations")}
    assert not changed & STEADY, "other tests know the size of these chats: change @sim_changing"


@pytest.fixture(scope="session")
def _media_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    shapes = [f"--files={name}={count}x{size}" for name, (count, size) in (("big", BIG), ("small", SMALL))]
    shapes += [f"--files={one}" for one in ("gone=3x1000", "lost=2x1000", "shared=700x500", "trio=3x1000")]
    with SimDC(*shapes) as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def media_exporter(_media_exporter: Exporter) -> Iterator[Exporter]:
    """The same for a server with files."""
    _media_exporter.dc.control("set", **CALM, short_rate=0, cdn_rate=0, reference_lifetime=86400)
    for method in (GET_FILE, "channels.getMessages"):
        _media_exporter.dc.control("flood", method=method)
    _media_exporter.calm()
    _media_exporter.forget_waits()
    yield _media_exporter
    changed = {one["chat"] for one in _media_exporter.dc.control("mutations")}
    assert changed <= CHANGING, "other tests know what these chats have: change @sim_gone"


@pytest.fixture(scope="session")
def truth(_media_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, str], dict[str, Any]]:
    """The server's files by kind, id and size letter."""
    folder = tmp_path_factory.mktemp("truth")
    _media_exporter.dc.control("truth", folder=str(folder))
    rows = json.loads((folder / "0" / "media.json").read_text())
    return {(row["kind"], row["id"], row["letter"]): row for row in rows}
