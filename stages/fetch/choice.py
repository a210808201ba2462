"""Which chats a command means: names by hand, and conditions on the account's list. Importing it imports no Telethon.

Conditions of one kind are alternatives, those of different kinds must all hold; what is excluded is out, also by hand.
"""
from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tgbulk.engine.error import UsageError
from tgbulk.stages.fetch.name import ChatName, Way

#: What a chat can be, as in chat.json.
TYPES = ("channel", "supergroup", "forum", "group", "private", "bot", "saved")


class NoFolderError(UsageError):
    """there is no folder {0!r}; this account has {1}"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One chat of an account's list, or of an archive."""

    #: marked id
    id: int
    #: as in chat.json: saved, private, bot, group, supergroup, forum, channel
    type: str
    title: str
    #: every active one, the main one first
    usernames: list[str]
    unread: int = 0
    #: Unix time of the newest message, None for an empty or closed chat
    date: int | None = None
    pinned: bool = False
    archived: bool = False
    #: closed to this account
    forbidden: bool = False
    left: bool = False
    #: marked id of the supergroup that continues this basic group
    migrated_to: int | None = None
    #: the account's own folders that show it; None where Telegram was not asked for them
    folders: list[str] | None = None

    @property
    def barrier(self) -> str | None:
        """Why it cannot be read, None where it can."""
        if self.forbidden and self.type == "group":
            return None  # it still gives the messages until the account was removed from it
        return "forbidden" if self.forbidden else "left" if self.left else None


@dataclass(frozen=True, slots=True)
class Terms:
    """Conditions; those that are empty hold for every chat."""

    types: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    #: with the wildcards * ? and [...], of a title or a username, in either case
    globs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.types or self.folders or self.globs)

    def holds(self, entry: Entry) -> bool:
        """Whether every kind of condition that is there holds."""
        return (
            (not self.types or entry.type in self.types)
            and (not self.folders or self._in_folder(entry))
            and (not self.globs or self._matches(entry))
        )

    def touches(self, entry: Entry) -> bool:
        """Whether any one of them holds."""
        return entry.type in self.types or self._in_folder(entry) or self._matches(entry)

    def _in_folder(self, entry: Entry) -> bool:
        wanted = set(map(fold, self.folders))
        return any(fold(name) in wanted for name in entry.folders or ())

    def _matches(self, entry: Entry) -> bool:
        texts = [fold(entry.title), *map(fold, entry.usernames)]
        return any(fnmatchcase(text, fold(glob).removeprefix("@")) for glob in self.globs for text in texts)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a command line or a job says about chats."""

    #: by hand, in their order
    names: tuple[ChatName, ...] = ()
    #: every chat of the list
    everything: bool = False
    terms: Terms = Terms()
    #: only those in Telegram's archive, or only the others; None is both
    archived: bool | None = None
    excluded: Terms = Terms()
    excluded_names: tuple[ChatName, ...] = ()

    @property
    def selects(self) -> bool:
        """Whether chats of the list are meant beside those named by hand."""
        return self.everything or bool(self.terms) or self.archived is not None

    @property
    def needs_list(self) -> bool:
        return self.selects or bool(self.excluded) or bool(self.excluded_names)

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that are asked for."""
        return self.terms.folders + self.excluded.folders

    def check_folders(self, titles: Sequence[str]) -> None:
        """NoFolderError for one that the account does not have."""
        known = set(map(fold, titles))
        for name in self.folders:
            if fold(name) not in known:
                raise NoFolderError(name, ", ".join(map(repr, titles)) or "none")


@dataclass(slots=True)
class Chosen:
    """What a choice comes to."""

    #: by hand first, then in the order of the list
    names: list[ChatName] = field(default_factory=list)
    #: of the list, those that the names lead to
    entries: list[Entry] = field(default_factory=list)
    #: chats that the conditions mean and that cannot be read: forbidden or left -> how many
    left_out: Counter[str] = field(default_factory=Counter)
    #: basic groups that go on as their supergroup: (title, marked id of the supergroup)
    migrated: list[tuple[str, int]] = field(default_factory=list)


def fold(text: str) -> str:
    """Equal for texts that people take for the same."""
    return unicodedata.normalize("NFC", text).casefold()


def choose(choice: Choice, entries: Iterable[Entry]) -> Chosen:
    """Apply a choice to an account's list."""
    listed = list(entries)
    found = Chosen()
    taken: set[int] = set()

    def add(name: ChatName, entry: Entry | None) -> None:
        if entry is not None and name.part is None:
            if entry.id in taken:
                return
            taken.add(entry.id)
            found.entries.append(entry)
        found.names.append(name)

    by_id = {entry.id: entry for entry in listed}
    for name in choice.names:
        entry = find(name, listed)
        if _is_excluded(choice, name, entry):
            continue
        successor = by_id.get(entry.migrated_to or 0) if entry is not None and name.part is None else None
        if entry is not None and successor is not None:
            found.migrated.append((entry.title, successor.id))
            name, entry = id_name(successor.id), successor
        add(name, entry)
    for entry in listed if choice.selects else []:
        if not _selects(choice, entry) or _is_excluded(choice, None, entry):
            continue
        if entry.migrated_to is not None:
            found.migrated.append((entry.title, entry.migrated_to))
            successor = by_id.get(entry.migrated_to)
            if successor is None:
                add(id_name(entry.migrated_to), None)
                continue
            if _is_excluded(choice, None, successor):
                continue
            entry = successor
        if entry.barrier is None:
            add(id_name(entry.id), entry)
        elif entry.id not in taken:
            taken.add(entry.id)
            found.left_out[entry.barrier] += 1
    return found


def find(name: ChatName, entries: Iterable[Entry]) -> Entry | None:
    """The chat of the list that a name by hand means, None where only Telegram can tell."""
    for entry in entries:
        if name.way is Way.SELF and entry.type == "saved":
            return entry
        if name.way is Way.ID and entry.id == int(name.value):
            return entry
        if name.way is Way.USERNAME and name.value.casefold() in map(str.casefold, entry.usernames):
            return entry
    return None


def id_name(marked_id: int) -> ChatName:
    """The name of a chat that is known by its id."""
    return ChatName(str(marked_id), Way.ID, str(marked_id))


def _selects(choice: Choice, entry: Entry) -> bool:
    return choice.terms.holds(entry) and choice.archived in (None, entry.archived)


def _is_excluded(choice: Choice, name: ChatName | None, entry: Entry | None) -> bool:
    if entry is not None and (choice.excluded.touches(entry) or any(find(one, [entry]) for one in choice.excluded_names)):
        return True
    return name is not None and any(
        (one.way, one.value.casefold()) == (name.way, name.value.casefold()) for one in choice.excluded_names
    )
