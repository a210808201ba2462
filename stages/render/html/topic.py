"""Topics of a forum as pages of their own: the rows of a chat's pages once more, each topic's together.

A worker writes the rows of a part one topic after the other into one file (TopicRows); when the chat is whole and titles are
known, each piece of it becomes a page (write_topics).
"""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from tgbulk.stages.render.clock import Day
from tgbulk.stages.render.format import ChatDone
from tgbulk.stages.render.html import page
from tgbulk.stages.render.html.row import day_row
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.view import View

#: Rows a page; a page ends where the next message is not one with the last.
_PAGE = 1000
#: The temporary file of a part.
PIECES = "topics"


@dataclass(slots=True)
class _Piece:
    rows: list[str] = field(default_factory=list)
    count: int = 0
    day: int = -1
    days: int = 0


class TopicRows:
    """Collects the rows of one part."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[_Piece]] = {}

    def add(self, topic: int, row: str, day: Day, joined: bool) -> None:
        """joined: the row goes on from the last one of the topic."""
        pieces = self._pieces.setdefault(topic, [])
        if not pieces or (pieces[-1].count >= _PAGE and not joined):
            pieces.append(_Piece())
        piece = pieces[-1]
        if day.number != piece.day:
            piece.day = day.number
            piece.days += 1
            piece.rows.append(day_row(day, piece.days))
        piece.rows.append(row)
        piece.count += 1

    def write(self, view: View) -> dict[str, list[dict[str, int]]]:
        """Topic -> offset and size of each piece in the temporary file PIECES. OSError."""
        found: dict[str, list[dict[str, int]]] = {}
        place = 0
        with view.new_file(PIECES) as file:
            for topic, pieces in sorted(self._pieces.items()):
                for piece in pieces:
                    size = file.write("".join(piece.rows).encode("utf-8", "replace"))
                    found.setdefault(str(topic), []).append({"offset": place, "size": size})
                    place += size
        return found


def topic_page(topic: int, number: int) -> str:
    """The name of the page with this number, from 1, of a topic."""
    return f"topic_{topic}_{number}.html" if number > 1 else f"topic_{topic}.html"


def write_topics(chat: ChatDone, folder: str, titles: dict[int, str], ways: str, output: Output) -> None:
    """Put the pages of every topic. OSError, StorageError."""
    pieces: dict[int, list[tuple[Any, dict[str, int]]]] = {}
    for part in chat.parts:
        for topic, found in part.result["pieces"].items():
            pieces.setdefault(int(topic), []).extend((part, piece) for piece in found)
    for topic, some in pieces.items():
        for number, (part, piece) in enumerate(some, 1):
            name = f"{folder}/{topic_page(topic, number)}"
            before = topic_page(topic, number - 1) if number > 1 else ""
            after = topic_page(topic, number + 1) if number < len(some) else ""
            opening = page.head(titles[topic], root="../", ways=ways) + page.begin("chat_page", before)
            head = f'{opening}<div class="history">\n'.encode("utf-8", "replace")
            source, offset = (chat.temporary(part, PIECES, output), piece["offset"]) if part.fresh else (
                output.path(name), piece["place"])
            path = output.new_file()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                os.write(descriptor, head)
                output.copy_range(source, offset, piece["size"], descriptor)
                os.write(descriptor, f"</div>\n{page.end(after)}".encode())
            finally:
                os.close(descriptor)
            piece["place"] = len(head)
            chat.files[name] = output.put(name, path)
