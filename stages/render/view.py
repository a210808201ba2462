"""What a worker knows of a chat while it renders its parts."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.part_media import PartMedia
from tgbulk.stages.telegram.peer import topic_of, usernames

#: Ids without a peer that are remembered of one part.
MISSES = 1000
#: Messages that one part looked up which are remembered.
QUOTED = 10_000


class Name(NamedTuple):
    """What most formats show of a peer."""

    name: str | None
    username: str | None
    #: user, bot, group, channel or deleted
    type: str | None


def name_of(peer: Mapping[str, Any]) -> Name:
    """Of a user's or chat's TL object."""
    kind, active = peer["_"], usernames(dict(peer))
    first = active[0] if active else None
    if kind in ("user", "userEmpty"):
        name = " ".join(filter(None, (peer.get("first_name"), peer.get("last_name"))))
        gone = kind == "userEmpty" or peer.get("deleted")
        return Name(name or None, first, "deleted" if gone else "bot" if peer.get("bot") else "user")
    broadcast = kind.startswith("channel") and bool(peer.get("broadcast"))
    return Name(peer.get("title") or None, first, "channel" if broadcast else "group")


class PeerNames(dict[int, Any]):
    """Marked id -> what the format shows of the peer; what is looked up in vain is None and remembered."""

    def __init__(self) -> None:
        self.missed: set[int] = set()

    def __missing__(self, peer: int) -> None:
        self.missed.add(peer)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are rendered."""

    #: Unix seconds, inclusive
    since: int | None = None
    until: int | None = None
    topic: int | None = None

    @property
    def any(self) -> bool:
        """Whether it leaves out anything."""
        return (self.since, self.until, self.topic) != (None, None, None)

    def takes(self, message: Mapping[str, Any], forum: bool) -> bool:
        """Whether it leaves this message of a chat that is a forum, or none."""
        if self.since is not None and message["date"] < self.since:
            return False
        if self.until is not None and message["date"] > self.until:
            return False
        return self.topic is None or (forum and topic_of(message) == self.topic)


class View:
    """Of one chat."""

    def __init__(
        self, snapshot: ChatSnapshot, shown: Callable[[Mapping[str, Any]], Any], wanted: Filter, folder: Path
    ) -> None:
        """folder: for temporary files. StorageError, OSError."""
        self.snapshot = snapshot
        self.filter = wanted
        self.names = read_names(snapshot, shown)
        self.forum = snapshot.about.type == "forum"
        self.media = PartMedia(MediaReader(snapshot.media_path))
        self._changes = snapshot.changes()
        self._quoted: set[int] = set()
        #: what the format keeps for the other parts
        self.kept: dict[str, Any] = {}
        self._folder = folder
        self._prefix = ""

    def begin(self, prefix: str) -> None:
        """A part begins, whose temporary files begin with this."""
        self._prefix = prefix
        self.names.missed.clear()
        self._quoted.clear()
        self.media.begin()

    def temporary(self, name: str) -> Path:
        """Where a temporary file of the part may lie; `name` is of the format's choice, and a bare one."""
        return self._folder / f"{self._prefix}-{name}"

    @contextmanager
    def new_file(self, name: str) -> Iterator[IO[bytes]]:
        """A temporary file of the part."""
        with open(self.temporary(name), "wb", buffering=1 << 18) as file:
            yield file

    def message(self, number: int) -> dict[str, Any] | None:
        """Any message of the chat in its latest form, None where there is none; it is remembered that the part asked.

        ChangedChatError, OSError.
        """
        self._quoted.add(number)
        return self._changes.form(number, self.snapshot.first_form(number))

    def quoted(self) -> list[int] | None:
        """Ids of messages that the part looked up; None: too many."""
        return sorted(self._quoted) if len(self._quoted) <= QUOTED else None

    def wanted(self, message: Mapping[str, Any]) -> bool:
        """Whether the filter leaves this message."""
        return self.filter.takes(message, self.forum)

    def in_topic(self, message: Mapping[str, Any]) -> bool:
        """Whether it is of the one topic that is rendered."""
        return self.forum and topic_of(message) == self.filter.topic

    def misses(self) -> list[int] | None:
        """Ids that the part looked up in vain; None: too many."""
        return sorted(self.names.missed) if len(self.names.missed) <= MISSES else None

    def close(self) -> None:
        self.media.close()


def read_names(snapshot: ChatSnapshot, shown: Callable[[Mapping[str, Any]], Any]) -> PeerNames:
    """What a format shows of each peer of a chat. ChangedChatError, OSError."""
    names = PeerNames()
    for peer, value in snapshot.read_peers():
        names[peer] = shown(value)
    return names
