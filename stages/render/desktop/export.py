"""Files of the export out of the parts of its chats: result.json, media, and what is not in them."""
from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.desktop.account import account_head, section_head
from tgbulk.stages.render.desktop.chat import Dialog, dialog, newer_half
from tgbulk.stages.render.desktop.layout import ACCOUNT, BETWEEN
from tgbulk.stages.render.desktop.media_store import MediaStore
from tgbulk.stages.render.desktop.place import Places
from tgbulk.stages.render.format import ChatDone, PartDone
from tgbulk.stages.render.output import Output

RESULT = "result.json"
#: What result.json cannot tell: what the archive lacks, and what could not be written.
HOLES = "holes.json"
#: A part's temporary file: its messages, with marks where paths belong.
PIECE = "messages"
#: Messages that could not be written and are named, and kinds that are not known.
EXAMPLES, NAMED = 20, 3
#: Bytes read at a time.
BLOCK = 1 << 20
#: The title of topic 1 while nobody has given it another.
GENERAL = "General"
_FOLDER = re.compile(rb'(\n +"(?:photo|file|thumbnail|contact_vcard)": ")chats/chat_[0-9]+/')


@dataclass(slots=True)
class Whole:
    """A chat of result.json: one of the archive, or two halves of a group, the older one first."""

    dialog: Dialog
    halves: list[ChatDone]
    #: where its media lie, below the folder of result.json: "" or chats/chat_<N>/
    prefix: str = ""

    @property
    def changed(self) -> bool:
        return any(one.changed for one in self.halves)

    def holes(self) -> dict[str, Any]:
        """What its part of HOLES says."""
        parts = [part for half in self.halves for part in half.parts]
        unknown: Counter[str] = Counter()
        absent: Counter[str] = Counter()
        for part in parts:
            unknown.update(part.result["unknown"])
            absent.update(part.result["absent"])
        return {
            "id": self.dialog.marked_id,
            "halves": [{"id": half.marked_id, **half.snapshot.statement.document()} for half in self.halves],
            "unreadable": sum(part.result["bad_count"] for part in parts),
            "examples": [one for part in parts for one in part.result["bad"]][:EXAMPLES],
            "unknown": dict(sorted(unknown.items())),
            "files": sum(len(part.result["files"]) for part in parts),
            "without_file": dict(sorted(absent.items())),
        }


class Result:
    """A result.json while it is written."""

    def __init__(self, output: Output, name: str, stores: Mapping[Path, MediaStore]) -> None:
        """name: below the folder of the render; stores: by archive. OSError."""
        self._output = output
        self._name = name
        self._stores = stores
        self._path = output.new_file()
        self._file = self._path.open("xb", buffering=BLOCK)
        self._place = 0

    def write(self, data: bytes) -> None:
        self._place += self._file.write(data)

    def close(self) -> int:
        """Hand it over; its bytes."""
        self._file.close()
        return self._output.put(self._name, self._path)

    def abandon(self) -> None:
        self._file.close()

    def chat(self, whole: Whole, level: int) -> dict[str, int]:
        """A chat that stands at this level; names and bytes of its media."""
        folder = self._name.removesuffix(RESULT) + whole.prefix
        files: dict[str, int] = {}
        places = Places(self._stores[whole.halves[-1].snapshot.root], folder, whole.prefix)
        indent = b" " * level
        first = True
        self.write(whole.dialog.head(level))
        for half in whole.halves:
            for part in half.parts:
                if not part.result["messages"]:
                    part.result.update(_NOTHING)
                    continue
                self.write(b"\n  " + indent if first else BETWEEN + indent)
                first = False
                if part.fresh:
                    self._fresh(half, part, places)
                else:
                    self._kept(part, places)
                part.result["prefix"] = whole.prefix
                files |= {folder + path: what[0] for path, what in part.result["files"].items()}
        self.write(whole.dialog.tail(level))
        return files

    def _fresh(self, half: ChatDone, part: PartDone, places: Places) -> None:
        """Marks become paths."""
        source, start = half.temporary(part, PIECE, self._output), self._place
        places.begin()
        if part.result["marks"]:
            for block in _marked_blocks(source):
                self.write(places.fill(block))
        else:
            self._copy(source, 0, part.result["bytes"])
        os.unlink(source)
        part.result |= {"place": start, "size": self._place - start} | places.end()

    def _kept(self, part: PartDone, places: Places) -> None:
        """As the last render has it."""
        result, start, source = part.result, self._place, self._output.path(self._name)
        if result["prefix"] == places.prefix or not result["files"]:
            self._copy(source, result["place"], result["size"])
        else:
            for block in _lines(source, result["place"], result["size"]):
                self.write(_FOLDER.sub(rb"\1" + places.prefix.encode(), block))
            places.move(result["files"], result["prefix"])
        places.resume(result)
        result |= {"place": start, "size": self._place - start}

    def _copy(self, source: Path, offset: int, size: int) -> None:
        self._file.flush()
        self._output.copy_range(source, offset, size, self._file.fileno())
        self._place += size


#: Of a part of which no message is wanted.
_NOTHING: dict[str, Any] = {"place": 0, "size": 0, "prefix": "", "counters": None, "files": {}, "absent": {}}


class DesktopExport:
    """One render of the format."""

    def __init__(self, output: Output, stores: Mapping[Path, MediaStore]) -> None:
        """stores: by archive."""
        self._output = output
        self._stores = stores

    def single_chats(self, chats: list[ChatDone]) -> dict[str, int]:
        """<marked id>/result.json of each; all files belong to chats."""
        for whole in _wholes(chats):
            if whole.changed:
                folder = f"{whole.dialog.marked_id}/"
                result = Result(self._output, folder + RESULT, self._stores)
                try:
                    files = result.chat(whole, 0)
                finally:
                    result.abandon()
                files[folder + RESULT] = result.close()
                files[folder + HOLES] = self._output.write(folder + HOLES, _dump(whole.holes()))
                _belong(whole, files)
        return {}

    def whole_account(self, chats: list[ChatDone], clock: Clock) -> dict[str, int]:
        """result.json; its names and bytes, those of media belong to chats."""
        wholes = _wholes(chats)
        stayed, left = [one for one in wholes if not one.dialog.left], [one for one in wholes if one.dialog.left]
        digits = len(str(len(wholes)))
        for number, whole in enumerate(stayed + left, 1):
            whole.prefix = f"chats/chat_{number:0{digits}}/"
        result = Result(self._output, RESULT, self._stores)
        found = {}
        try:
            result.write(account_head(chats, clock))
            for key, some in (("chats", stayed), ("left_chats", left)):
                if some or key == "chats":
                    result.write(section_head(key))
                    for number, whole in enumerate(some):
                        result.write(b",\n   " if number else b"\n   ")
                        found[whole.dialog.marked_id] = result.chat(whole, ACCOUNT)
                    result.write(b"\n  ]\n }")
            result.write(b"\n}")
        finally:
            result.abandon()
        files = {RESULT: result.close(), HOLES: self._output.write(HOLES, _dump({"chats": [one.holes() for one in wholes]}))}
        for whole in wholes:
            _belong(whole, found[whole.dialog.marked_id] | files)
        return files


def remarks(chat: ChatDone) -> list[str]:
    """What people are told of messages that could not be written as they are."""
    bad = [one for part in chat.parts for one in part.result["bad"]]
    count = sum(part.result["bad_count"] for part in chat.parts)
    unknown: Counter[str] = Counter()
    for part in chat.parts:
        unknown.update(part.result["unknown"])
    told = []
    if count:
        told.append(f"{counted(count, 'message')} could not be read, the first is {bad[0][0]} ({bad[0][1]}): see {HOLES}")
    if unknown:
        names = ", ".join(sorted(unknown)[:NAMED]) + (" ..." if len(unknown) > NAMED else "")
        told.append(f"{counted(unknown.total(), 'message')} of a kind that this version does not know: {names}")
    return told


def _wholes(chats: list[ChatDone]) -> list[Whole]:
    """Halves of a group together, the older one first."""
    known = {chat.marked_id: chat.snapshot.root for chat in chats}
    older: dict[int, list[ChatDone]] = {}
    for chat in chats:
        newer = newer_half(chat.snapshot.about)
        if newer is not None and known.get(newer) == chat.snapshot.root:
            older.setdefault(newer, []).append(chat)
    joined = {chat.marked_id for some in older.values() for chat in some}
    return [Whole(_topic_dialog(chat), [*older.get(chat.marked_id, []), chat])
            for chat in chats if chat.marked_id not in joined]


def _topic_dialog(chat: ChatDone) -> Dialog:
    """Of the chat; a single topic is called by its last title."""
    told = dialog(chat.snapshot)
    topic = next((part.result["topic"] for part in chat.parts), None)
    if topic is None:
        return told
    titles = [part.result["title"] for part in chat.parts if part.result["title"]]
    name = titles[-1] if titles else GENERAL if topic == 1 else told.name
    return replace(told, type="public_supergroup", name=name)


def _belong(whole: Whole, files: dict[str, int]) -> None:
    """All its files belong to each half: where one is missing, both are rendered again."""
    for half in whole.halves:
        half.files.clear()
        half.files.update(files)


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _marked_blocks(path: Path) -> Iterator[bytes]:
    """Blocks of a file that do not end within a mark."""
    rest = b""
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            rest += block
            end = len(rest) if rest.count(b"\0") % 2 == 0 else rest.rindex(b"\0")
            yield rest[:end]
            rest = rest[end:]
    yield rest


def _lines(path: Path, offset: int, size: int) -> Iterator[bytes]:
    """Blocks of a range that end before a line feed."""
    rest = b""
    with Place.of(path).reader() as file:
        file.seek(offset)
        while size and (block := file.read(min(BLOCK, size))):
            size -= len(block)
            rest += block
            end = rest.rfind(b"\n")
            if end > 0:
                yield rest[:end]
                rest = rest[end:]
    yield rest
