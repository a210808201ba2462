"""An archive of the demo's account with its small media, and renders of it as result.json."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.command import at_home
from support.desktop_layout import Tl
from support.exporter import Exporter
from support.shared import once
from tgbulk.perf.proof import truth_chats
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.rendering import Rendering, RenderOutcome
from tgbulk.stages.render.view import Filter
from tgbulk.stages.telegram.medium import CATEGORIES

#: A time zone whose offset is no whole hour.
ZONE = "Asia/Kathmandu"
#: Bytes of the largest file that is exported.
SMALL = 200_000


class Silent:
    """Listens and says nothing."""

    def started(self, *_: object) -> None: ...

    def rendered(self, *_: object) -> None: ...

    def ended(self, *_: object) -> None: ...

    def failed(self, chat: int, error: object) -> None:
        raise AssertionError(f"{chat}: {error}")

    def tick(self) -> None: ...


def render(archive: Path, out: Path, workers: int = 1, chats: tuple[int, ...] = (), **options: Any) -> RenderOutcome:
    values = {"timezone": ZONE, "media": tuple(CATEGORIES)} | options
    return Rendering(archive, Desktop(**values), Filter(), out, workers, Silent()).execute(list(chats))


def exported_demo(factory: pytest.TempPathFactory) -> Path:
    """Every chat of the demo's account; the folder of the archive, which nobody may change."""
    return once(factory, "desktop", lambda folder: _export(folder, factory.mktemp("home"))) / "demo"


def _export(folder: Path, home: Path) -> None:
    folder.mkdir(exist_ok=True)
    with SimDC() as dc:
        exporter = Exporter(at_home(dc, home))
        dc.control(do="truth", folder=str(folder / "truth"))
        there = set(truth_chats(folder / "truth" / "0"))
        dialogs = [json.loads(line)["id"] for line in exporter.tgbulk("chats", "--json").stdout.splitlines()]
        readable = [one for one in dialogs if one in there]
        exporter.run(folder / "demo", *readable, "@sim_unjoined", "--media", "all", "--max-size", SMALL, "--thumbnails")


def lines(path: Path) -> list[Tl]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def peers_of(archive: Path, chat: int) -> dict[int, Tl]:
    found = {}
    for peer in lines(archive / "chats" / str(chat) / "peers.jsonl"):
        kind = peer["_"]
        sign = (
            peer["id"] if kind.startswith("user") else -peer["id"] if kind.startswith("chat") else -(10**12) - peer["id"]
        )
        found[sign] = peer
    return found
