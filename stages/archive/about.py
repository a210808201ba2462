"""chat.json: what is known of a chat, for people and for the next export; docs/archive.md lists the fields."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import write_whole
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.id_range import EVERYTHING, IdRange
from tgbulk.stages.archive.row import OPEN, ChatRow
from tgbulk.stages.archive.source import Sources
from tgbulk.stages.archive.statement import Statement
from tgbulk.stages.telegram.chat import ChatRecord


@dataclass(frozen=True, slots=True)
class ChatAbout:
    """The fields of chat.json in their order; None is not known, and left out."""

    #: marked id
    id: int
    type: str | None = None
    title: str | None = None
    account: int | None = None
    named: str | None = None
    #: active ones, the main one first, without @
    usernames: list[str] = field(default_factory=list)
    migrated_from: int | None = None
    migrated_from_max_id: int | None = None
    migrated_to: int | None = None
    linked: int | None = None
    #: the server's count
    total: int | None = None
    #: what the last run asked for; None is everything
    asked: IdRange | None = None
    #: of it, what the last run asked for; None is all
    asked_ranges: list[IdRange] | None = None
    state: str | None = None
    #: why it is not complete
    reason: str | None = None
    messages: int | None = None
    services: int | None = None
    #: later versions; messages that are deleted; messages that changes.jsonl alone has
    versions: int | None = None
    deleted: int | None = None
    late: int | None = None
    #: ids that the server answered with messageEmpty
    empty: int | None = None
    empty_ids: list[IdRange] | None = None
    covered: list[IdRange] | None = None
    quarantined: list[IdRange] | None = None
    statement: Statement | None = None
    #: which account brought which ids, where several did: Sources.document()
    sources: list[dict[str, Any]] | None = None

    @classmethod
    def of(
        cls, record: ChatRecord, row: ChatRow, covered: list[IdRange], statement: Statement,
        sources: list[dict[str, Any]] | None = None,
    ) -> ChatAbout:
        """covered: of this moment; the row's is of the last commit. The statement is for a chat that is not open."""
        return cls(
            record.marked_id, record.type, record.title, record.account, record.named, record.usernames,
            record.migrated_from, record.migrated_from_max_id, record.migrated_to, record.linked, record.total,
            None if record.asked is None else IdRange.from_closed(record.asked),
            None if record.asked_ranges is None else list(map(IdRange.from_closed, record.asked_ranges)),
            record.state, record.reason,
            row.messages, row.services, row.versions or None, row.deleted or None, row.late or None,
            row.empty_count, row.empty, covered, row.quarantined,
            None if record.state == OPEN else statement, sources,
        )

    def counts(self) -> tuple[int, ...]:
        """As ChatRow.counts."""
        return self.messages or 0, self.versions or 0, self.deleted or 0, self.late or 0

    @property
    def alive(self) -> int:
        """Messages that are there and not deleted."""
        return (self.messages or 0) + (self.late or 0) - (self.deleted or 0)

    @property
    def wanted(self) -> list[IdRange]:
        """What the last run asked for, ascending and apart."""
        return self.asked_ranges or [EVERYTHING if self.asked is None else self.asked]

    def write(self, folder: ChatFolder) -> None:
        """Durably. OSError."""
        values = ((one.name, getattr(self, one.name)) for one in fields(self))
        known = {name: _WRITTEN.get(name, _same)(value) for name, value in values if value is not None}
        if not self.usernames:
            known.pop("usernames")
        write_whole(folder.about, document.dump(known))

    def older_than(self, row: ChatRow) -> bool:
        """Whether it is what was true of the chat, whose state is the same, before more was told of it."""
        if (self.id, self.account, self.state, self.quarantined) != (row.marked_id, row.account, row.state, row.quarantined):
            return False
        return (self.messages or 0) <= row.messages and (self.versions or 0) <= row.versions and (self.late or 0) <= row.late

    def differences(self, row: ChatRow) -> list[str]:
        """Fields in which it is not what the journal has."""
        expected = ChatAbout(
            row.marked_id, account=row.account, state=row.state, messages=row.messages, services=row.services,
            versions=row.versions or None, deleted=row.deleted or None, late=row.late or None,
            empty_ids=row.empty, covered=row.covered, quarantined=row.quarantined,
        )
        names = (
            "id", "account", "state", "messages", "services", "versions", "deleted", "late", "empty_ids", "covered",
            "quarantined",
        )
        return [name for name in names if getattr(self, name) != getattr(expected, name)]


def asked_ids(record: ChatRecord) -> list[IdRange]:
    """What the run asks for, ascending and apart."""
    return list(map(IdRange.from_closed, record.asked_ranges or ([record.asked] if record.asked else [EVERYTHING.closed()])))


def load_about(folder: ChatFolder, marked_id: int) -> ChatAbout:
    """Fields that are not of their type count as not known. DamagedDocumentError, FileNotFoundError, OSError."""
    found = document.load(folder.about)
    values: dict[str, Any] = {}
    for one in fields(ChatAbout):
        value = found.get(one.name)
        if value is not None:
            with suppress(TypeError, ValueError, KeyError):
                values[one.name] = _READ[one.name](value)
    return ChatAbout(**{"id": marked_id} | values)


def is_about(folder: ChatFolder, content: Mapping[str, Any] | None) -> bool:
    """Whether chat.json is this."""
    try:
        return document.load(folder.about) == content
    except (DamagedDocumentError, OSError):
        return False


def lost_records(about: ChatAbout, row: ChatRow) -> bool:
    """Whether the journal has lost records of a chat, whose chat.json is never ahead of it."""
    return (about.messages or 0) > row.messages


def read_about(archive: Archive, marked_id: int) -> ChatAbout:
    """The same, with nothing known where it cannot be read."""
    try:
        return load_about(archive.chat(marked_id), marked_id)
    except (DamagedDocumentError, OSError):
        return ChatAbout(marked_id)


def name_of(archive: Archive, marked_id: int) -> str:
    """The name that a chat was asked for, its marked id where that is lost."""
    about = read_about(archive, marked_id)
    if about.migrated_to is not None:
        # The older half has no name of its own.
        marked_id = about.migrated_to
        about = read_about(archive, marked_id)
    return about.named or str(marked_id)


def _same(value: Any) -> Any:
    return value


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _closed_list(value: Any) -> list[IdRange]:
    return [IdRange.from_closed(list(map(_number, one))) for one in value]


#: How a field is written that JSON does not have as it is.
_WRITTEN: dict[str, Callable[[Any], Any]] = {
    "asked": IdRange.closed,
    "asked_ranges": lambda ranges: [one.closed() for one in ranges],
    "empty_ids": lambda ranges: [one.closed() for one in ranges],
    "covered": lambda ranges: [one.pair() for one in ranges],
    "quarantined": lambda ranges: [one.closed() for one in ranges],
    "statement": Statement.document,
}
#: How a field is read. TypeError, ValueError or KeyError for what is none.
_READ: dict[str, Callable[[Any], Any]] = {
    **{one.name: _number if "int" in str(one.type) else _text for one in fields(ChatAbout)},
    "usernames": lambda value: list(map(_text, value)),
    "asked": lambda value: IdRange.from_closed(list(map(_number, value))),
    "asked_ranges": _closed_list,
    "sources": lambda value: Sources.read(0, value).document(),
    "empty_ids": _closed_list,
    "covered": lambda value: IdRange.from_pairs([list(map(_number, one)) for one in value]),
    "quarantined": _closed_list,
    "statement": Statement.from_document,
}
