"""Heads: what a store says of a chat. docs/store.md describes the keys and the fields.

A head is never changed. Whoever writes a chat creates the head with the next number, which a store grants to one alone: so
whoever wrote the chat before is refused when it wants that number, and knows that the chat is another's.
"""
from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import uuid4

from tgbulk.engine import document
from tgbulk.engine.error import ExitCode, NewerFormatError, TgbulkError
from tgbulk.stages.archive.committed import CommittedChat
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.fleet.store import NoObjectError, ObjectStore, StoreError

#: Of everything in a store. A newer one is refused.
STORE_FORMAT = 1
#: Digits of a head's number in its key, so that keys sort as numbers do.
_DIGITS = 12


class LostChatError(TgbulkError):
    """chat {0}: {1} writes it now"""

    kind = "lost"
    retryable = True
    exit_code = ExitCode.LOST
    advice = "Nothing of it was published since; leave the chat to that one, or stop it and run the command again."


class DamagedStoreError(StoreError):
    """the store {0} is damaged: {1}: {2}"""


@dataclass(frozen=True, slots=True)
class PublishedPart:
    """Lines of one file, in an object of their own: those of ids, or of bytes, from `lo` to below `next`."""

    lo: int
    next: int
    size: int
    crc: int
    #: lower-case hex, as in the object's key
    sha256: str

    def key(self, folder: str, name: str) -> str:
        return f"{folder}/{name.removesuffix('.jsonl')}/{self.lo}-{self.next}-{self.sha256}"

    def pack(self) -> list[Any]:
        return [getattr(self, one.name) for one in fields(self)]


#: The name under which the list of a chat's files has its parts.
FILES = "files"


@dataclass(frozen=True, slots=True)
class Head:
    """A chat in a store, at a moment."""

    space: str
    chat: int
    number: int
    #: number of the first head of this writer
    epoch: int
    #: the journal's row and chat.json; of a chat that was claimed and not yet published: None
    row: ChatRow | None = None
    about: dict[str, Any] | None = None
    #: by file
    parts: dict[str, list[PublishedPart]] = field(default_factory=dict)
    #: SHA-256 of the files of messages that could not be decoded, by name
    raw: dict[str, str] = field(default_factory=dict)
    #: annexes.json
    annexes: dict[str, Any] = field(default_factory=dict)
    holder: str = field(default_factory=lambda: f"{socket.gethostname()} process {os.getpid()}")
    written: float = field(default_factory=time.time)
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def folder(self) -> str:
        return f"{self.space}/{self.chat}"

    def dump(self) -> bytes:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["row"] = None if self.row is None else self.row.pack()
        values["parts"] = {name: [one.pack() for one in some] for name, some in self.parts.items()}
        return document.dump({"format": STORE_FORMAT} | values)

    def same(self, found: CommittedChat, parts: dict[str, list[PublishedPart]]) -> bool:
        """Whether it says this and nothing else."""
        if self.row is None or self.row.pack() != found.row.pack():
            return False
        return (self.about, self.annexes, self.parts) == (found.about, found.annexes, parts)

    def objects(self) -> set[str]:
        """Keys of all that it speaks of, but for media."""
        found = {one.key(self.folder, name) for name, some in self.parts.items() for one in some}
        return found | {raw_key(self.folder, sha256) for sha256 in self.raw.values()}


def raw_key(folder: str, sha256: str) -> str:
    return f"{folder}/raw/{sha256}"


def media_key(space: str, sha256: str) -> str:
    return f"{space}/media/{sha256[:2]}/{sha256}"


def head_folder(space: str, chat: int) -> str:
    return f"{space}/{chat}/head"


def head_key(space: str, chat: int, number: int) -> str:
    return f"{head_folder(space, chat)}/{number:0{_DIGITS}}.json"


def head_number(key: str) -> int:
    """0 where it is no head's."""
    name = key.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdecimal() and key.endswith(".json") else 0


def load_head(store: ObjectStore, key: str) -> Head:
    """DamagedStoreError, NewerFormatError, NoObjectError, StoreError."""
    try:
        found = document.parse(store.get(key))
    except ValueError as error:
        raise DamagedStoreError(store.url, key, error) from error
    made = found.pop("format", None)
    if not isinstance(made, int) or made > STORE_FORMAT:
        raise NewerFormatError(f"{store.url} {key}", made, STORE_FORMAT)
    try:
        found["row"] = None if found["row"] is None else ChatRow.unpack(found["row"])
        found.setdefault("annexes", {})
        found["parts"] = {name: [PublishedPart(*one) for one in some] for name, some in found["parts"].items()}
        return Head(**{one.name: found[one.name] for one in fields(Head)})
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedStoreError(store.url, key, f"it is no head: {error}") from error


def newest_head(store: ObjectStore, space: str, chat: int) -> Head | None:
    """None where there is none. The errors of load_head."""
    for _ in range(3):
        numbers = [head_number(one.key) for one in store.objects(head_folder(space, chat))]
        if not any(numbers):
            return None
        try:
            return load_head(store, head_key(space, chat, max(numbers)))
        except NoObjectError:
            continue  # it was pruned, so there is a newer one
    raise StoreError(store.url, f"the heads of {space}/{chat} come and go")


def create_head(store: ObjectStore, head: Head) -> None:
    """LostChatError where another has that number, or has gone on since. StoreError."""
    key, data = head_key(head.space, head.chat, head.number), head.dump()
    if not store.create(key, data):
        found = load_head(store, key)
        if found.token != head.token:  # else it is ours: the answer to a first attempt was lost
            raise LostChatError(head.chat, found.holder)
    # Where heads were pruned meanwhile, the number of one was free again.
    later = max((head_number(one.key) for one in store.objects(head_folder(head.space, head.chat), key)), default=0)
    if later > head.number:
        raise LostChatError(head.chat, load_head(store, head_key(head.space, head.chat, later)).holder)



def claim_chat(store: ObjectStore, space: str, chat: int) -> Head:
    """Become the one who writes a chat, whose content stays as it is: the head that says so. LostChatError, StoreError."""
    before = newest_head(store, space, chat)
    number = before.number + 1 if before else 1
    head = Head(space, chat, number, number)
    if before is not None:
        head = replace(head, row=before.row, about=before.about, parts=before.parts, raw=before.raw, annexes=before.annexes)
    create_head(store, head)
    return head
