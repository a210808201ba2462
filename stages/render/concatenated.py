"""Formats whose files are the texts of their parts, one behind the other."""
from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

from tgbulk.stages.render.format import ChatDone, Format, PartDone
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.view import View


class Concatenated(Format):
    """Subclasses give the texts of a part. A part's result is {"sizes": {name: bytes}}, by the name of the file."""

    __slots__ = ()

    #: how many bytes of text wait before they are written
    _HELD = 1 << 20

    def write_part(self, part: Part, view: View, out: PartFiles) -> None:
        """Call out.add(name, text) for the messages of a part. `name` is that of the file below OUT."""
        raise TypeError(f"{type(self).__name__} is no format")

    def head(self, name: str) -> bytes:
        return b""

    def separator(self, name: str) -> bytes:
        """Between the texts of two parts."""
        return b""

    def tail(self, name: str) -> bytes:
        return b""

    def empty_names(self, chat: ChatDone) -> list[str]:
        """Files that a chat has even without messages."""
        return []

    def render(self, part: Part, view: View) -> dict[str, Any]:
        out = PartFiles(view)
        self.write_part(part, view, out)
        return {"sizes": out.close()}

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        if not self.joins_chats:
            chat.files = self._join([chat], output, self.empty_names(chat))

    def join_all(self, chats: list[ChatDone], output: Output, names: list[str]) -> dict[str, int]:
        """For `end`, where files hold several chats."""
        return self._join(chats, output, names)

    def _join(self, chats: list[ChatDone], output: Output, names: list[str]) -> dict[str, int]:
        pieces: dict[str, list[tuple[ChatDone, PartDone, int]]] = {name: [] for name in names}
        for chat in chats:
            for part in chat.parts:
                for name, size in part.result["sizes"].items():
                    pieces.setdefault(name, []).append((chat, part, size))
        return {name: self._join_one(name, pieces[name], output) for name in sorted(pieces)}

    def _join_one(self, name: str, pieces: list[tuple[ChatDone, PartDone, int]], output: Output) -> int:
        path, between = output.new_file(), self.separator(name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            head = self.head(name)
            os.write(descriptor, head)
            place = len(head)
            for number, (chat, part, size) in enumerate(pieces):
                if number:
                    os.write(descriptor, between)
                if part.fresh:
                    output.copy_range(chat.temporary(part, _piece(name), output), 0, size, descriptor)
                else:
                    output.copy_range(output.path(name), part.result["places"][name], size, descriptor)
                place += len(between) if number else 0
                part.result.setdefault("places", {})[name] = place
                place += size
            os.write(descriptor, self.tail(name))
        finally:
            os.close(descriptor)
        return output.put(name, path)


def _piece(name: str) -> str:
    return name.replace("/", "_")


class PartFiles:
    """Of one part, by file."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._held: dict[str, list[bytes]] = defaultdict(list)
        self._size = 0
        self._sizes: dict[str, int] = {}

    def add(self, name: str, text: bytes) -> None:
        """Append text to the part's piece of this file."""
        self._held[name].append(text)
        self._size += len(text)
        if self._size > Concatenated._HELD:
            self._flush()

    def close(self) -> dict[str, int]:
        """Bytes of each piece."""
        self._flush()
        return self._sizes

    def _flush(self) -> None:
        for name, texts in self._held.items():
            data = b"".join(texts)
            # A piece that another process left when it died is begun again.
            with open(self._view.temporary(_piece(name)), "ab" if name in self._sizes else "wb") as file:
                file.write(data)
            self._sizes[name] = self._sizes.get(name, 0) + len(data)
        self._held.clear()
        self._size = 0
