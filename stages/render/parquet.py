"""Parquet, through pyarrow: a file for each part of a chat, and one for each table."""
from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tgbulk.engine.error import UsageError
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.render.column import CHAT_COLUMNS, PEER_COLUMNS
from tgbulk.stages.render.flat import Row
from tgbulk.stages.render.flat_format import FlatFormat
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.render.moment import month_of
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.table import chat_rows, peer_rows
from tgbulk.stages.render.view import View


class NoPyarrowError(UsageError):
    """Parquet needs pyarrow, which is not installed"""

    advice = "The extra tgbulk[parquet] brings it, or this command: {0}"


@dataclass(frozen=True, slots=True)
class Parquet(FlatFormat):
    """message/<chat>/part-00000.parquet, each sorted by message_id, in one row group; with --split none in message/ alone.

    The folder is not called chat_id=<chat>: pandas refuses a column that is in the path and in the file.
    """

    name: ClassVar[str] = "parquet"

    def check(self, archive: Catalogue) -> None:
        if importlib.util.find_spec("pyarrow") is None:
            raise NoPyarrowError(_installing())

    def render(self, part: Part, view: View) -> dict[str, Any]:
        from tgbulk.stages.render.arrow import MessageTable

        months: Callable[[int], str] | None = month_of(self.zone) if self.split == "month" else None
        tables: dict[str, MessageTable] = {}

        def name(row: Row) -> str:
            return f"{months(row[0][2])}-" if months else ""

        for rows in self.rows(part, view):
            for prefix, some in self.by_file(rows, name):
                tables.setdefault(prefix, MessageTable(self.columns)).add(some)
        chat, files = view.snapshot.marked_id, {}
        for prefix, table in tables.items():
            own = f"{prefix}part-{part.number:05}.parquet"
            files[f"message/{chat}-{own}" if self.split == "none" else f"message/{chat}/{own}"] = own
            table.write(view.temporary(own))
        return {"files": files}

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        for part in chat.parts:
            for name, own in part.result["files"].items():
                if part.fresh:
                    chat.files[name] = output.put(name, chat.temporary(part, own, output))
                else:
                    chat.files[name] = output.path(name).stat().st_size

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        from tgbulk.stages.render.arrow import write_table

        files = {}
        peers = peer_rows(archive.by_newest_peers([chat.snapshot for chat in chats]), archive.pictures())
        tables = ("peer", PEER_COLUMNS, peers), ("chat", CHAT_COLUMNS, chat_rows(chats))
        for name, columns, rows in tables:
            path = output.new_file()
            write_table(columns, rows, path)
            files[f"{name}.parquet"] = output.put(f"{name}.parquet", path)
        return files


def _installing() -> str:
    """The command that installs pyarrow where this tgbulk runs: a checkout, pipx, or uv, whose environments have no pip."""
    python = shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} pyarrow"
    return f"{python} -m pip install pyarrow"
