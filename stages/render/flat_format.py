"""What the formats of the flat record have in common: columns, files by chat or month, the tables beside them."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.archive.versions import Versions
from tgbulk.stages.render.column import CHAT_COLUMNS, COLUMNS, PEER_COLUMNS, Column
from tgbulk.stages.render.concatenated import Concatenated, PartFiles
from tgbulk.stages.render.flat import Flattener, Row
from tgbulk.stages.render.format import ChatDone, Format
from tgbulk.stages.render.moment import month_of
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.table import chat_rows, peer_rows
from tgbulk.stages.render.view import View

#: Messages whose files are looked up together, and rows of a batch.
ROWS = 4096


@dataclass(frozen=True, slots=True)
class FlatFormat(Format):
    """Options of all of them."""

    version: ClassVar[int] = 2

    #: of the table of messages
    columns: tuple[Column, ...] = COLUMNS
    #: chat, month or none
    split: str = "chat"
    zone: str = "UTC"
    #: the forms of a message that are rows
    versions: Versions = field(default="latest", kw_only=True)

    def options(self) -> dict[str, Any]:
        found = {"columns": [one.name for one in self.columns], "split": self.split, "zone": self.zone}
        return found if self.versions == "latest" else found | {"versions": self.versions}

    def context(self, snapshot: ChatSnapshot) -> Any:
        return [snapshot.about.type, list(snapshot.about.usernames)]

    def rows(self, part: Part, view: View) -> Iterator[list[Row]]:
        """The rows of a part that the filter leaves, some thousand at a time."""
        messages: Iterable[dict[str, Any]] = part.messages_of(self.versions)
        if view.filter.any:
            messages = filter(view.wanted, messages)
        flattener, source = Flattener(view), iter(messages)
        while rows := list(flattener.rows(islice(source, ROWS))):
            yield rows

    def by_file(self, rows: list[Row], name: Callable[[Row], str]) -> Iterator[tuple[str, list[Row]]]:
        """Rows that follow each other in the same file."""
        start, current = 0, name(rows[0])
        for place, row in enumerate(rows):
            if (other := name(row)) != current:
                yield current, rows[start:place]
                start, current = place, other
        yield current, rows[start:]


@dataclass(frozen=True, slots=True)
class FlatText(FlatFormat, Concatenated):
    """Files of lines: message/<chat>.<ending>, message/<chat>/<month>.<ending> or message.<ending>."""

    @property
    def ending(self) -> str:
        return self.name

    @property
    def joins_chats(self) -> bool:
        return self.split == "none"

    def message_lines(self, view: View) -> Callable[[Row], bytes]:
        """A function from a row to its line, for one part."""
        raise TypeError(f"{self.name} has no lines")

    def table(self, columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
        """The file of a table."""
        raise TypeError(f"{self.name} has no tables")

    def write_part(self, part: Part, view: View, out: PartFiles) -> None:
        line, chat = self.message_lines(view), view.snapshot.marked_id
        if self.split == "month":
            month = month_of(self.zone)
            for rows in self.rows(part, view):
                for name, some in self.by_file(rows, lambda row: month(row[0][2])):
                    out.add(f"message/{chat}/{name}.{self.ending}", b"".join(map(line, some)))
            return
        name = f"message/{chat}.{self.ending}" if self.split == "chat" else f"message.{self.ending}"
        for rows in self.rows(part, view):
            out.add(name, b"".join(map(line, rows)))

    def empty_names(self, chat: ChatDone) -> list[str]:
        return [f"message/{chat.marked_id}.{self.ending}"] if self.split == "chat" else []

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        files = self.join_all(chats, output, [f"message.{self.ending}"]) if self.joins_chats else {}
        peers = peer_rows(archive.by_newest_peers([chat.snapshot for chat in chats]), archive.pictures())
        tables = ("peer", PEER_COLUMNS, peers), ("chat", CHAT_COLUMNS, chat_rows(chats))
        for name, columns, rows in tables:
            path = output.new_file()
            with open(path, "wb", buffering=1 << 18) as file:
                file.writelines(self.table(columns, rows))
            files[f"{name}.{self.ending}"] = output.put(f"{name}.{self.ending}", path)
        return files
