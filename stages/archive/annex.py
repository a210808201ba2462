"""What belongs to a chat beside its messages: an annex each for who it is, its members, its admin log, its stories.

An annex is a file of lines that is only appended to: a record where an item was seen for the first time, or changed since
its last record, and one where it is gone. annexes.json says how much of each counts; it is replaced after the lines are
durable, so whatever lies behind is of a look that was cut short, and the next one cuts it off (docs/archive.md).
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import sync, write_all, write_whole
from tgbulk.engine.frame import frame
from tgbulk.stages.archive.folder import ANNEXES, ChatFolder
from tgbulk.stages.archive.lines import Piece, read_blocks
from tgbulk.stages.archive.segments import open_at


class AnnexName(StrEnum):
    """The annexes, by the names of their files (folder.py)."""

    INFO, MEMBERS, ADMIN_LOG, STORIES = ANNEXES


class LookState(StrEnum):
    """How the newest look at an annex ended."""

    #: it did not, or not yet: the next one goes on at its cursor
    OPEN = "open"
    COMPLETE = "complete"
    #: at its end, where the server has more than it gives
    INCOMPLETE = "incomplete"
    #: the server gives nothing of it
    REFUSED = "refused"


#: Annexes whose items a complete look shows all: what it does not show is gone.
LISTED = frozenset({AnnexName.MEMBERS, AnnexName.STORIES})
#: Fields, wherever they stand in an item, that differ at every look, or from account to account, without anybody having
#: changed something.
_OF_STORIES = frozenset({"access_hash", "views", "sent_reaction"})
PASSING = {
    AnnexName.INFO: _OF_STORIES | {
        "read_inbox_max_id", "read_outbox_max_id", "unread_count", "online_count", "pts", "notify_settings", "folder_id",
        "max_read_id",
    },
    AnnexName.STORIES: _OF_STORIES,
}  # fmt: skip
_DIGEST_SIZE = 8


@frame
@dataclass(slots=True)
class AnnexItem:
    """One item as the server gave it."""

    #: marked id of a member, id of an event or story; the chat's marked id for its info
    key: int
    #: the TL object as JSON, without a line feed
    object: bytes


@frame
@dataclass(slots=True)
class AnnexAbout:
    """What annexes.json says of one annex."""

    name: str
    #: user id of the account that looked last
    account: int = 0
    state: str = LookState.OPEN
    #: why it is not complete
    reason: str = ""
    #: Unix seconds: when the newest look began, and when it ended, 0 while it is open
    begun: int = 0
    ended: int = 0
    #: the server's count of items, -1 where it gives none
    total: int = -1
    #: where an open look goes on, in the measure of its own
    cursor: int = 0
    #: the highest key of an open look, and of all looks that came to their end
    high: int = 0
    top: int = 0
    #: of what counts in the file
    size: int = 0
    crc: int = 0
    lines: int = 0
    #: items that are there now
    items: int = 0
    #: keys that an open look has met
    seen: list[int] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value not in ("", []) and name != "name"}

    @classmethod
    def from_document(cls, name: str, found: dict[str, Any]) -> AnnexAbout:
        """TypeError for what is none."""
        about = cls(name, **found)
        for one in fields(cls):
            if type(getattr(about, one.name)) is not type(getattr(_MODEL, one.name)):
                raise TypeError(one.name)
        return about


_MODEL = AnnexAbout("", state="")


@dataclass(frozen=True, slots=True)
class AnnexRecord:
    """One line: an item as it was seen, or that it is gone."""

    key: int
    #: Unix seconds: the beginning of the look
    seen_at: int
    #: user id
    account: int
    #: None where it is gone
    object: dict[str, Any] | None

    @classmethod
    def parse(cls, line: bytes) -> AnnexRecord:
        """ValueError, KeyError, TypeError for what is none."""
        found = orjson.loads(line)
        made = cls(found["key"], found["seen_at"], found["account"], found.get("object"))
        if any(type(one) is not int for one in (made.key, made.seen_at, made.account)):
            raise TypeError("a field is not a number")
        if (made.object is None) is not found.get("gone", False) or (made.object and not isinstance(made.object["_"], str)):
            raise ValueError("it has neither an object nor gone")
        return made


def load_annexes(folder: ChatFolder) -> dict[str, AnnexAbout]:
    """Of each annex that there is. DamagedDocumentError, OSError."""
    try:
        found = document.load(folder.annexes)
    except FileNotFoundError:
        return {}
    try:
        return {name: AnnexAbout.from_document(str(AnnexName(name)), values) for name, values in found.items()}
    except (TypeError, ValueError) as error:
        raise DamagedDocumentError(folder.annexes, "it has something else than annexes") from error


def open_annexes(folder: ChatFolder) -> list[AnnexAbout]:
    """Those at which the newest look was cut short; of damaged ones verify tells. OSError."""
    try:
        return [one for one in load_annexes(folder).values() if one.state == LookState.OPEN]
    except DamagedDocumentError:
        return []


def read_annex(folder: ChatFolder, about: AnnexAbout) -> Iterator[AnnexRecord]:
    """Every record that counts, in the order in which they came. ChangedChatError, OSError, ValueError."""
    for block in read_blocks([Piece(folder.annex(about.name), 0, about.size)] if about.size else []):
        yield from map(AnnexRecord.parse, block.splitlines())


def current_items(records: Iterable[AnnexRecord]) -> dict[int, dict[str, Any]]:
    """The items that are there now, by key."""
    found: dict[int, dict[str, Any]] = {}
    for one in records:
        if one.object is None:
            found.pop(one.key, None)
        else:
            found[one.key] = one.object
    return found


def digest(name: str, found: dict[str, Any]) -> bytes:
    """Equal for two forms of an item between which nothing was changed."""
    passing = PASSING.get(AnnexName(name))
    lasting = _without(found, passing) if passing else found
    return blake2b(orjson.dumps(lasting), digest_size=_DIGEST_SIZE).digest()


def _without(found: Any, names: frozenset[str]) -> Any:
    if isinstance(found, list):
        return [_without(one, names) for one in found]
    if isinstance(found, dict):
        return {key: _without(value, names) for key, value in found.items() if key not in names}
    return found


class AnnexFile:
    """Appends to one annex."""

    def __init__(self, folder: ChatFolder, about: AnnexAbout) -> None:
        """Open at what counts; whatever lies behind it is cut off. DamagedChatError, OSError."""
        self.about = replace(about, seen=[])
        self._place = folder.annex(about.name)
        self._descriptor = open_at(self._place, about.size)
        #: key -> digest, of what is there now
        self._known: dict[int, bytes] = {}
        for one in read_annex(folder, about):
            if one.object is None:
                self._known.pop(one.key, None)
            else:
                self._known[one.key] = digest(about.name, one.object)
        self._seen = dict.fromkeys(about.seen)

    @property
    def count(self) -> int:
        """Items that are there now."""
        return len(self._known)

    def begin(self, account: int, now: int) -> None:
        """A look begins, or goes on if this account's last one is open."""
        about = self.about
        about.reason = ""
        if about.state != LookState.OPEN or about.account != account or not about.begun:
            about.account, about.begun, about.ended, about.cursor, about.high = account, now, 0, 0, 0
            about.state, about.total = LookState.OPEN, -1
            self._seen.clear()

    def add(self, items: list[AnnexItem], cursor: int, total: int) -> int:
        """Take in a page; bytes written."""
        lines = []
        for one in items:
            self._seen[one.key] = None
            self.about.high = max(self.about.high, one.key)
            now = digest(self.about.name, orjson.loads(one.object))
            if self._known.get(one.key) != now:
                self._known[one.key] = now
                lines.append(b'%s,"object":%s}\n' % (self._head(one.key), one.object))
        self.about.cursor, self.about.total = cursor, total
        return self._append(lines)

    def end(self, state: str, reason: str, now: int) -> None:
        """The look came to its end."""
        about = self.about
        if state == LookState.COMPLETE and about.name in LISTED:
            gone = [key for key in self._known if key not in self._seen]
            self._append([b'%s,"gone":true}\n' % self._head(key) for key in gone])
            for key in gone:
                del self._known[key]
        about.items = len(self._known)
        about.top = max(about.top, about.high)
        about.state, about.reason, about.ended, about.cursor = state, reason, now, 0
        self._seen.clear()

    def sync(self) -> None:
        sync(self._descriptor, self._place)

    def state(self) -> AnnexAbout:
        """What counts once it is durable."""
        seen = list(self._seen) if self.about.name in LISTED and self.about.state == LookState.OPEN else []
        return replace(self.about, items=len(self._known), seen=seen)

    def close(self) -> None:
        os.close(self._descriptor)

    def _head(self, key: int) -> bytes:
        return b'{"key":%d,"seen_at":%d,"account":%d' % (key, self.about.begun, self.about.account)

    def _append(self, lines: list[bytes]) -> int:
        data = b"".join(lines)
        write_all(self._descriptor, data, self.about.size)
        self.about.size += len(data)
        self.about.crc = crc32(data, self.about.crc)
        self.about.lines += len(lines)
        return len(data)


class AnnexFiles:
    """The annexes of one chat that a run looks at."""

    def __init__(self, folder: ChatFolder) -> None:
        """DamagedDocumentError, OSError."""
        self._folder = folder
        self._about = load_annexes(folder)
        self._open: dict[str, AnnexFile] = {}
        self.dirty = False

    def file(self, name: str) -> AnnexFile:
        """DamagedChatError, OSError."""
        name = str(name)
        if name not in self._open:
            self._open[name] = AnnexFile(self._folder, self._about.get(name) or AnnexAbout(name))
        self.dirty = True
        return self._open[name]

    def commit(self) -> None:
        """Make it durable: the lines first, then what says that they count."""
        for name, one in self._open.items():
            one.sync()
            self._about[name] = one.state()
        write_whole(self._folder.annexes, document.dump({n: one.to_document() for n, one in self._about.items()}))
        self.dirty = False

    def close(self) -> None:
        for one in self._open.values():
            one.close()
        self._open.clear()
