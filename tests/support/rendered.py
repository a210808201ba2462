"""Renders for tests, in this process or with a pool."""
from __future__ import annotations

from pathlib import Path

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.render.format import ChatDone, Format
from tgbulk.stages.render.rendering import Rendering, RenderOutcome
from tgbulk.stages.render.view import Filter


class Silent:
    """A listener to whom nothing matters but failures."""

    def started(self, marked_id: int, title: str, messages: int) -> None: ...

    def rendered(self, marked_id: int, messages: int) -> None: ...

    def ended(self, chat: ChatDone) -> None: ...

    def failed(self, marked_id: int, error: TgbulkError) -> None:
        raise error

    def tick(self) -> None: ...


def render(archive: Path, format: Format, folder: Path, *, wanted: Filter | None = None, workers: int = 1) -> RenderOutcome:
    """Every chat; the first failure is raised."""
    return Rendering(archive, format, wanted or Filter(), folder, workers, Silent()).execute([])


def tree(folder: Path) -> dict[str, bytes]:
    """Every file by its name but the state of the render."""
    files = {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}
    return {name: data for name, data in files.items() if not name.startswith("render.")}
