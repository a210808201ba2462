"""What the files of a chat are called: marks become paths, in the order of the messages;
docs/spec/telegram-desktop-json.md 5 and 8.

Counters go up for files that are not written too; the same file is there once; a name that is taken gets a number.
"""
from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import orjson

from tgbulk.stages.archive.media_reader import Key
from tgbulk.stages.render.desktop.file import COUNT, DOCUMENT, PHOTO, THUMBNAIL, UNAVAILABLE, VCARD
from tgbulk.stages.render.desktop.layout import finish
from tgbulk.stages.render.desktop.media_store import MediaStore

#: Files of which the path is kept for the next message that has them.
KNOWN = 100_000
#: Bytes of the stem of a name, and of an ending that is kept: a number and _thumb.jpg fit behind them into 255.
STEM, ENDING = 200, 30
_UNSAFE = re.compile('[\x00-\x1f\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067/\\\\<>:"|?*]')


@dataclass(slots=True)
class Counters:
    """How many of each were met; the names are the first words of files' names."""

    photo: int = 0
    audio: int = 0
    video: int = 0
    file: int = 0
    contact: int = 0

    def next(self, word: str) -> int:
        number: int = getattr(self, word) + 1
        setattr(self, word, number)
        return number


class Places:
    """Of one chat, the older half of a group included. Paths are relative to the chat's folder."""

    def __init__(self, store: MediaStore, folder: str, prefix: str = "") -> None:
        """folder: of the chat, below that of the render; prefix: below that of result.json. With a slash behind."""
        self._store = store
        self._folder = folder
        self.prefix = prefix
        self._counters = Counters()
        self._known: dict[Key, str] = {}
        #: path -> the last number behind it
        self._taken: dict[str, int] = {}
        #: (id, suggested path, word of --media, size) of the document before
        self._document: tuple[int, str, str, int] = (0, "", "", 0)
        self._files: dict[str, list[Any]] = {}
        self._absent: Counter[str] = Counter()

    def begin(self) -> None:
        """A part begins."""
        self._files, self._absent = {}, Counter()

    def end(self) -> dict[str, Any]:
        """What `resume` needs of the part, as JSON values: `files` are path -> [bytes, kind, id, letter]."""
        return {"counters": list(astuple(self._counters)), "files": self._files, "absent": dict(self._absent)}

    def resume(self, part: dict[str, Any]) -> None:
        """Go on behind a part of the last render."""
        self._counters = Counters(*part["counters"])
        for path, (_, kind, number, letter, suggested) in part["files"].items():
            self._taken[path] = 0
            if suggested != path:
                self._taken[suggested] += 1
            if kind:
                self._keep((kind, number, letter), path)

    def move(self, files: dict[str, list[Any]], prefix: str) -> None:
        """Files of a part of the last render go to this folder; prefix: that which was before their paths."""
        before = self._folder.removesuffix(self.prefix) + prefix
        for path in files:
            self._store.move(before + path, self._folder + path)

    def fill(self, data: bytes) -> bytes:
        """Put paths in place of marks."""
        if b"\0" not in data:
            return data
        pieces = data.split(b"\0")
        marks = [orjson.loads(piece) for piece in pieces[1::2]]
        self._store.expect(self._wanted(marks))
        for place, (kind, *what) in enumerate(marks):
            pieces[2 * place + 1] = self._fillers[kind](self, *what)
        return b"".join(pieces)

    def _wanted(self, marks: list[list[Any]]) -> list[Key]:
        """Which files of the archive these marks are about."""
        keys, document = [], self._document[0]
        for kind, *what in marks:
            if kind == PHOTO and len(what) > 1:
                keys.append(("photo", what[1], what[2]))
            elif kind == DOCUMENT:
                document = what[1]
                keys.append(("document", document, ""))
            elif kind == THUMBNAIL:
                keys.append(("document", document, what[0]))
        return keys

    def _photo(self, stamp: str, number: int = 0, letter: str = "", size: int = 0, inline: str = "") -> bytes:
        count = self._counters.next("photo")
        if not number:
            return self._without(UNAVAILABLE)
        return self._file(("photo", number, letter), f"photos/photo_{count}{stamp}.jpg", "photo", size, inline)

    def _make_document(
        self, stamp: str, number: int, size: int, kind: str, folder: str, name: str, word: str, ending: str, gone: bool
    ) -> bytes:
        if not name:
            name = f"{word}_{self._counters.next(word)}{stamp}{ending}"
        suggested = f"{folder}/{file_name(name)}"
        self._document = number, suggested, kind, size
        return self._without(UNAVAILABLE) if gone else self._file(("document", number, ""), suggested, kind, size, "")

    def _thumbnail(self, letter: str, size: int, inline: str) -> bytes:
        number, suggested, kind, whole = self._document
        return self._file(("document", number, letter), suggested + "_thumb.jpg", kind, whole, inline)

    def _vcard(self, text: str) -> bytes:
        path, data = self._free(f"contacts/contact_{self._counters.next('contact')}.vcard"), text.encode()
        self._files[path] = [self._store.put_bytes(self._folder + path, data), "", 0, "", path]
        return self._path(path)

    def _count(self, word: str) -> bytes:
        self._counters.next(word)
        return b""

    def _file(self, key: Key, suggested: str, kind: str, size: int, inline: str) -> bytes:
        """size: by which the whole file is chosen; inline: base64 of bytes that came within the message."""
        path = self._known.get(key)
        if path is None:
            source, reason = self._store.find(key, size, kind) if not inline else (None, "")
            if reason:
                return self._without(reason)
            path = self._free(suggested)
            name = self._folder + path
            if source is None:
                written = self._store.put_bytes(name, b64decode(inline))
            else:
                written = self._store.put_file(name, source)
            self._files[path] = [written, *key, suggested]
            self._keep(key, path)
        return self._path(path)

    def _without(self, reason: str) -> bytes:
        self._absent[reason] += 1
        return orjson.dumps(reason)

    def _path(self, path: str) -> bytes:
        return finish(orjson.dumps(self.prefix + path))

    def _keep(self, key: Key, path: str) -> None:
        if len(self._known) >= KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = path

    def _free(self, suggested: str) -> str:
        """A path that is not taken; its number stands before the first dot."""
        path = suggested
        while path in self._taken:
            self._taken[suggested] += 1
            start, dot, end = suggested.partition(".")
            path = f"{start} ({self._taken[suggested]}){dot}{end}"
        self._taken[path] = 0
        return path

    _fillers: dict[str, Callable[..., bytes]] = {
        PHOTO: _photo, DOCUMENT: _make_document, THUMBNAIL: _thumbnail, VCARD: _vcard, COUNT: _count,
    }


def file_name(name: str) -> str:
    """A name from outside as one component of a path."""
    name = _UNSAFE.sub("_", name)
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > ENDING:
        stem, dot, ending = name, "", ""
    if len(stem.encode()) > STEM:
        stem = stem.encode()[:STEM].decode(errors="ignore")
    name = stem + dot + ending
    return name + "_" if not name or name[-1] in " ." else name
