"""The command of a baseline, through launch.py."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tgbulk.perf.bench.server import Server

LAUNCHER = Path(__file__).with_name("launch.py")


def start(server: Server, home: Path, python: Path, entry: str, arguments: Sequence[str]) -> list[str]:
    """The words that start `entry` (module:function) in that interpreter against this server."""
    settings = server.settings
    key = home / "server.pem"
    key.write_text(settings["public_key"])
    # -P: the launcher's own folder must not hide the program's modules.
    where = [settings["host"], str(settings["port"]), str(settings["dc_id"]), str(key)]
    return [str(python), "-P", str(LAUNCHER), *where, entry, *arguments]
