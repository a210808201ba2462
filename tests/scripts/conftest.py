from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import ACCOUNTS, Tgbulk, at_home
from exporter import CALM, Exporter
from medium import BIG, GET_FILE, SMALL

from perf.simdc.launcher import SimDC


@pytest.fixture(scope="session")
def dc() -> Iterator[SimDC]:
    with SimDC("--accounts", str(ACCOUNTS)) as running:
        yield running


@pytest.fixture
def tgbulk(dc: SimDC, tmp_path: Path) -> Tgbulk:
    return at_home(dc, tmp_path)


@pytest.fixture(scope="session")
def _exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--accounts", "3", "--bulk", "bulk=20000", "--bulk", "changing=3000", "--bulk", "middle=5000") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def exporter(_exporter: Exporter) -> Exporter:
    """Two accounts of a server with large chats, logged in; what a test does to the server's temper ends with it."""
    _exporter.calm()
    return _exporter


@pytest.fixture(scope="session")
def _media_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    shapes = [f"--files={name}={count}x{size}" for name, (count, size) in (("big", BIG), ("small", SMALL))]
    with SimDC(*shapes, "--files=gone=3x1000", "--files=lost=2x1000", "--files=shared=700x500") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def media_exporter(_media_exporter: Exporter) -> Exporter:
    """The same for a server with files."""
    _media_exporter.dc.control("set", **CALM, short_rate=0, cdn_rate=0, reference_lifetime=86400)
    for method in (GET_FILE, "channels.getMessages"):
        _media_exporter.dc.control("flood", method=method)
    _media_exporter.calm()
    return _media_exporter


@pytest.fixture(scope="session")
def truth(_media_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, str], dict[str, Any]]:
    """The server's files by kind, id and size letter."""
    folder = tmp_path_factory.mktemp("truth")
    _media_exporter.dc.control("truth", folder=str(folder))
    rows = json.loads((folder / "0" / "media.json").read_text())
    return {(row["kind"], row["id"], row["letter"]): row for row in rows}
