"""`tgbulk render desktop`: result.json for every chat, or one for the whole account, with its media beside it."""
from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import IO, Any, ClassVar
from zlib import crc32
from zoneinfo import ZoneInfo

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.media_reader import Key, MediaReader
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.desktop.chat import newer_half, topic_title
from tgbulk.stages.render.desktop.export import PIECE, DesktopExport, remarks
from tgbulk.stages.render.desktop.layout import ACCOUNT, BETWEEN, finish
from tgbulk.stages.render.desktop.media_store import MediaStore
from tgbulk.stages.render.desktop.message import Look, Messages
from tgbulk.stages.render.desktop.names import Names, Shown, shown
from tgbulk.stages.render.format import ChatDone, Format
from tgbulk.stages.render.half import ARCHIVES, row_beside
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.part_media import file_keys
from tgbulk.stages.render.plan import lines_digest
from tgbulk.stages.render.view import View

#: Bytes of messages that are written at a time.
HELD = 1 << 20
#: Messages that could not be written and are named, of each part.
NAMED = 20
#: Errors that a line can cause which is not what the schema says.
_BAD = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
#: No digest of what a part heard of its files.
_NEVER = -1
_MONTH = 2_629_746
_FROM, _TO = 1_356_998_400, 2_145_916_800


@dataclass(frozen=True, slots=True)
class Desktop(Format):
    """OUT/<marked id>/result.json; with `account` OUT/result.json and chats/chat_<N>/."""

    #: "local" is the machine's
    timezone: str = "local"
    account: bool = False
    extra: bool = False
    emoji_ids: bool = False
    #: words of --media
    media: tuple[str, ...] = ()
    #: bytes of the largest file
    max_size: int | None = None
    #: media are copied, not linked
    copy: bool = False

    name: ClassVar[str] = "desktop"
    joins_chats: ClassVar[bool] = True
    joins_halves: ClassVar[bool] = True

    def options(self) -> dict[str, Any]:
        return asdict(self) | {"offsets": _machine_offsets() if self.timezone == "local" else 0}

    def shown(self, peer: Mapping[str, Any]) -> Shown:
        return shown(peer)

    def context(self, snapshot: ChatSnapshot) -> Any:
        """The older half is in it, whose files have names and numbers before those of this one: its lines, and the states of
        all files, of which any can be one of its own."""
        older = snapshot.about.migrated_from
        row = row_beside(snapshot.root, older)
        before = None
        if row is not None:
            index = snapshot.media_path
            before = [*lines_digest(row), row.change_bytes, row.change_crc,
                      _media_state(index, index.stat().st_mtime_ns) if index.exists() else 0]
        return [snapshot.about.type, is_older_half(snapshot), before]

    def render(self, part: Part, view: View) -> dict[str, Any]:
        snapshot = view.snapshot
        look = Look(self.account, self.extra, self.emoji_ids)
        names = Names(view.names.__getitem__)
        messages = Messages(snapshot.marked_id, names, self._clock(), look, view.forum, is_older_half(snapshot))
        result: dict[str, Any] = {"messages": 0, "bytes": 0, "marks": False, "bad": [], "bad_count": 0,
                                  "topic": view.filter.topic if view.forum else None, "title": ""}
        asks = bool(self.media) and not view.media.empty
        with view.new_file(PIECE) as file:
            held: list[bytes] = []
            keys: list[Key] = []
            size = 0
            for message in part.messages_of():
                if result["topic"] is not None and view.in_topic(message):
                    result["title"] = topic_title(message) or result["title"]
                if not view.wanted(message):
                    continue
                written = finish(self._write(messages, message, result))
                held.append(written)
                size += len(written)
                result["messages"] += 1
                if asks:
                    keys += [*file_keys(message.get("media")), *file_keys(message.get("action"))]
                if size > HELD:
                    view.media.find(keys)  # so that the next render asks for them too
                    self._flush(file, held, result)
                    held, keys, size = [], [], 0
            view.media.find(keys)
            self._flush(file, held, result)
        return result | {"unknown": dict(sorted(messages.unknown.items()))}

    def _write(self, messages: Messages, message: dict[str, Any], result: dict[str, Any]) -> bytes:
        """A message that is not what the schema says fails itself: it is written as one that cannot be shown, and told."""
        try:
            return messages.write(message)
        except _BAD as error:
            result["bad_count"] += 1
            if len(result["bad"]) < NAMED:
                result["bad"].append([message["id"], f"{type(error).__name__}: {error}"[:200]])
            return messages.unsupported(message)

    def _flush(self, file: IO[bytes], held: list[bytes], result: dict[str, Any]) -> None:
        """Write these messages behind those before; the account's form is indented once more."""
        if not held:
            return
        data = BETWEEN.join(held) if not result["bytes"] else BETWEEN + BETWEEN.join(held)
        if self.account:
            data = data.replace(b"\n", b"\n" + b" " * ACCOUNT)
        result["marks"] = result["marks"] or b"\0" in data
        result["bytes"] += file.write(data)

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        chat.remarks = remarks(chat)

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        wanted = self.media, self.max_size, self.copy
        stores = {one.root: MediaStore(one.root, one.media, output, *wanted) for one in archive.readers}
        _forget_lone_halves(chats)
        export = DesktopExport(output, stores)
        return export.whole_account(chats, self._clock()) if self.account else export.single_chats(chats)

    def _clock(self) -> Clock:
        return Clock(None if self.timezone == "local" else ZoneInfo(self.timezone))


def is_older_half(snapshot: ChatSnapshot) -> bool:
    """Whether a basic group's messages stand before those of the supergroup that it became."""
    return row_beside(snapshot.root, newer_half(snapshot.about)) is not None


def _forget_lone_halves(chats: list[ChatDone]) -> None:
    """What was rendered without its older half, which could not be read, has names and numbers that begin too early: none of
    it stays in the next render."""
    done = {chat.marked_id for chat in chats}
    for chat in chats:
        older = chat.snapshot.about.migrated_from
        if chat.changed and older not in done and row_beside(chat.snapshot.root, older) is not None:
            for part in chat.parts:
                part.media = _NEVER


@lru_cache(maxsize=ARCHIVES)
def _media_state(index: Place, changed: int) -> int:
    """A checksum of the states of all files. changed: of the index, so that it is read once."""
    reader = MediaReader(index)
    try:
        return crc32(repr(sorted(reader.states().items())).encode())
    finally:
        reader.close()


def _machine_offsets() -> int:
    """A checksum of the machine's time zone: that of its offset in every month."""
    return crc32(b",".join(b"%d" % time.localtime(moment).tm_gmtoff for moment in range(_FROM, _TO, _MONTH)))
