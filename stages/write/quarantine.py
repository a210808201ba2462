"""What could not be decoded: kept as it came, for a version that can, until an export has those messages.

quarantine/<marked id>-<first>-<last>.tl are the answers, back to back; the .json beside it says what they answer, how long
each is, and why it is there, with the CRC-32 of all.
"""
from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any
from zlib import crc32

from engine import document
from engine.durable import PART, make_folder, write_whole

TOOL = f"tgbulk {version('tgbulk')}"


class Quarantine:
    """The folder, for one chat."""

    def __init__(self, folder: Path, marked_id: int) -> None:
        self._folder = folder
        self._marked_id = marked_id

    def keep(self, about: dict[str, Any], answers: bytes) -> None:
        """Write both files, durably; those of the same place are replaced. OSError."""
        make_folder(self._folder)
        path = self._path(about["first"], about["last"])
        write_whole(path, answers)
        write_whole(path.with_suffix(".json"), document.dump(about | {"tool": TOOL, "answers_crc32": crc32(answers)}))

    def remove(self, first: int, last: int) -> None:
        """These messages are in the archive now."""
        for suffix in (".json", ".tl"):
            self._path(first, last).with_suffix(suffix).unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def remove_strangers(self, gaps: list[list[int]]) -> None:
        """Files that no journal row speaks of: of a crash before the commit."""
        known = {self._path(*gap).stem for gap in gaps}
        for path in self._folder.glob(f"{self._marked_id}-*"):
            if path.name.split(".")[0] not in known or path.name.endswith(PART):
                path.unlink()

    def _path(self, first: int, last: int) -> Path:
        return self._folder / f"{self._marked_id}-{first}-{last}.tl"
