"""The public API: archives, chats, messages, peers and media, to read (docs/python.md)."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from tgbulk.engine.error import UsageError
from tgbulk.stages.archive.annex import AnnexName, AnnexRecord, current_items
from tgbulk.stages.archive.reader import ArchiveReader, ChatReader
from tgbulk.stages.archive.statement import Statement
from tgbulk.stages.archive.thread import Threads
from tgbulk.stages.archive.versions import ChangedMessage, Versions
from tgbulk.stages.telegram.chat import CHANNEL_MARK
from tgbulk.stages.telegram.medium import largest_size
from tgbulk.stages.telegram.peer import chat_type, marked, topic_of, usernames

#: A moment: Unix seconds, a datetime (UTC where it says nothing else), a date, or ISO 8601.
Moment = int | float | str | date | datetime


class Archive:
    """A folder that `tgbulk export` filled. Reading it changes nothing and is safe while an export goes on."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """StorageError for what is no archive, or one of a newer format."""
        self._reader = ArchiveReader(Path(path))

    @property
    def path(self) -> Path:
        return self._reader.root

    @property
    def chats(self) -> list[Chat]:
        """Ascending by id. StorageError where one cannot be read; `chat` reads each by itself."""
        return [Chat(self, one) for one in self._reader.chats()]

    @property
    def ids(self) -> list[int]:
        """Marked ids of the chats."""
        return self._reader.marked_ids()

    def chat(self, name: int | str) -> Chat:
        """A chat by its marked id, or its @username. UsageError where there is none."""
        if isinstance(name, int):
            return Chat(self, self._reader.chat(name))
        wanted = name.removeprefix("@").lower()
        for one in self._reader.chats():
            if wanted in (known.lower() for known in one.about.usernames):
                return Chat(self, one)
        raise UsageError(f"the archive has no chat @{wanted}")

    def __repr__(self) -> str:
        return f"tgbulk.open({os.fspath(self.path)!r})"


class Archives:
    """Several archives, to read as one: those of many accounts, or of many hosts."""

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        """StorageError for what is no archive, or one of a newer format."""
        self.archives = [Archive(path) for path in paths]

    @property
    def chats(self) -> list[Chat]:
        """Of all, ascending by id. A chat that several have is there several times; `chat.archive` says which is which."""
        return sorted((chat for one in self.archives for chat in one.chats), key=lambda chat: chat.id)

    @property
    def ids(self) -> list[int]:
        """Marked ids of the chats, each once."""
        return sorted({chat for one in self.archives for chat in one.ids})

    def chat(self, name: int | str) -> Chat:
        """A chat by its marked id, or its @username. UsageError where there is none, or several archives have one."""
        found: list[Chat] = []
        for one in self.archives:
            with suppress(UsageError):
                found.append(one.chat(name))
        if not found:
            raise UsageError(f"no archive has a chat {name}")
        if len(found) > 1:
            where = " and ".join(str(chat.archive.path) for chat in found)
            raise UsageError(f"{name} is in {where}: open one of them alone")
        return found[0]

    def __repr__(self) -> str:
        return f"tgbulk.open({', '.join(repr(os.fspath(one.path)) for one in self.archives)})"


class Chat:
    """One chat, as far as it was committed."""

    def __init__(self, archive: Archive, reader: ChatReader) -> None:
        self.archive = archive
        self._reader = reader

    @property
    def id(self) -> int:
        """Marked: users are positive, basic groups -id, channels and supergroups -(10**12 + id)."""
        return self._reader.marked_id

    @property
    def type(self) -> str | None:
        """saved, private, bot, group, supergroup, forum or channel"""
        return self._reader.about.type

    @property
    def title(self) -> str:
        return self._reader.about.title or ""

    @property
    def usernames(self) -> tuple[str, ...]:
        """Active ones, the main one first, without @."""
        return tuple(self._reader.about.usernames)

    @property
    def statement(self) -> Statement:
        """What is there and what is missing; as a text it is a sentence."""
        return self._reader.statement

    @cached_property
    def peers(self) -> Mapping[int, Peer]:
        """Marked id -> everybody whom Telegram sent along with the messages, as last seen."""
        return _Peers(self._reader.peers)

    @property
    def peer(self) -> Peer:
        """The chat itself; made of chat.json where Telegram did not send it along."""
        return self.peers.get(self.id) or Peer(self.id, _raw_peer(self))

    @property
    def older_half(self) -> Chat | None:
        """The basic group that this supergroup continues, where the archive has it."""
        older = self._reader.about.migrated_from
        return self.archive.chat(older) if older is not None and older in self.archive.ids else None

    @property
    def info(self) -> dict[str, Any] | None:
        """What the chat's profile showed last, as Telegram's own object; None without `export --info`."""
        return self._annex(AnnexName.INFO).get(self.id)

    @property
    def members(self) -> dict[int, dict[str, Any]]:
        """Marked id -> Telegram's object of each member that was there last, as far as Telegram shows them."""
        return self._annex(AnnexName.MEMBERS)

    @property
    def admin_log(self) -> list[dict[str, Any]]:
        """What administrators did, ascending by id."""
        return [one for _, one in sorted(self._annex(AnnexName.ADMIN_LOG).items())]

    @property
    def stories(self) -> list[dict[str, Any]]:
        """The stories that are there, ascending by id."""
        return [one for _, one in sorted(self._annex(AnnexName.STORIES).items())]

    def history(self, annex: str) -> Iterator[AnnexRecord]:
        """Every dated record of info, members, admin_log or stories: when something was seen, had changed, or was gone."""
        return self._reader.annex(AnnexName(annex))

    def _annex(self, name: AnnexName) -> dict[int, dict[str, Any]]:
        return current_items(self._reader.annex(name))

    @property
    def discussion(self) -> Chat | None:
        """The group in which this channel's posts are discussed, where the archive has it (`export --comments`)."""
        linked = self._reader.about.linked
        known = self.type == "channel" and linked is not None and linked in self.archive.ids
        return self.archive.chat(linked) if known and linked is not None else None

    @cached_property
    def _threads(self) -> Threads:
        group = self.discussion
        return Threads(self.id, group.messages(raw=True) if group is not None else ())

    def message(self, number: int) -> Message | None:
        """One message, found by bisection; None where the archive has none with this id."""
        found = self._reader.message(number)
        return None if found is None else Message(self, found)

    @overload
    def messages(
        self, *, since: Moment | None = None, until: Moment | None = None, min_id: int | None = None,
        max_id: int | None = None, topic: int | None = None, joined: bool = False, raw: Literal[False] = False,
        versions: Versions = "latest",
    ) -> Iterator[Message]: ...

    @overload
    def messages(
        self, *, since: Moment | None = None, until: Moment | None = None, min_id: int | None = None,
        max_id: int | None = None, topic: int | None = None, joined: bool = False, raw: Literal[True],
        versions: Versions = "latest",
    ) -> Iterator[dict[str, Any]]: ...

    def messages(
        self, *, since: Moment | None = None, until: Moment | None = None, min_id: int | None = None,
        max_id: int | None = None, topic: int | None = None, joined: bool = False, raw: bool = False,
        versions: Versions = "latest",
    ) -> Iterator[Message] | Iterator[dict[str, Any]]:
        """Ascending by id, one at a time: all bounds are inclusive, a date as `until` means the whole day.

        topic: only this topic of a forum. joined: the older half of a migrated group comes first. raw: Telegram's own
        objects, as docs/archive.md describes them. versions: of an edited message the latest form that is known ("latest"),
        the one that was archived first ("first"), or each, one after the other ("all"); deleted messages come, too, and say
        so. StorageError, UsageError for a moment that is none, or other versions.
        """
        if versions not in ("latest", "first", "all"):
            raise UsageError(f"versions is latest, first or all, not {versions!r}")
        older = self.older_half if joined else None
        bounds = {"since": since, "until": until, "min_id": min_id, "max_id": max_id, "topic": topic,
                  "versions": versions}
        found = self._messages(**bounds)  # type: ignore[arg-type]
        made: Iterator[Any] = found if raw else (Message(self, one) for one in found)
        if older is None:
            return made
        before = older._messages(since, until, None, None, None, versions)
        return _chained(before if raw else (Message(older, one) for one in before), made)

    def _messages(
        self, since: Moment | None, until: Moment | None, min_id: int | None, max_id: int | None, topic: int | None,
        versions: Versions,
    ) -> Iterator[dict[str, Any]]:
        found = self._reader.messages(
            since=None if since is None else _seconds(since, False), until=None if until is None else _seconds(until, True),
            first=1 if min_id is None else min_id, last=max_id, versions=versions,
        )
        if topic is None:
            return found
        return (one for one in found if self.type == "forum" and topic_of(one) == topic)

    def __repr__(self) -> str:
        return f"<Chat {self.id} {self.title!r}>"


class Message:
    """One message; `raw` is Telegram's object, of which the other attributes are read when they are asked for."""

    __slots__ = ("chat", "raw")

    def __init__(self, chat: Chat, raw: dict[str, Any]) -> None:
        self.chat = chat
        self.raw = raw

    @property
    def id(self) -> int:
        return int(self.raw["id"])

    @property
    def date(self) -> datetime:
        """In UTC."""
        return datetime.fromtimestamp(self.raw["date"], UTC)

    @property
    def edit_date(self) -> datetime | None:
        return datetime.fromtimestamp(self.raw["edit_date"], UTC) if "edit_date" in self.raw else None

    @property
    def edited(self) -> bool:
        """Whether it has another content than it had at first, as Telegram says or as exports saw."""
        return self.version > 1 or ("edit_date" in self.raw and "edit_hide" not in self.raw)

    @property
    def version(self) -> int:
        """Which form of the message this is, of those that are known: from 1."""
        return self.raw.version if isinstance(self.raw, ChangedMessage) else 1

    @property
    def first_seen(self) -> datetime | None:
        """When this form became known, in UTC; None for the one that was archived first."""
        return _moment_of(self.raw.first_seen) if isinstance(self.raw, ChangedMessage) else None

    @property
    def deleted_at(self) -> datetime | None:
        """When it became known that it is deleted, in UTC; None where it is there, as far as is known."""
        return _moment_of(self.raw.deleted_at) if isinstance(self.raw, ChangedMessage) else None

    @property
    def auto_deleted(self) -> bool:
        """Whether it is deleted and its time (Telegram's auto-delete) was over when that became known."""
        return isinstance(self.raw, ChangedMessage) and self.raw.auto_deleted

    @property
    def earlier(self) -> list[Message]:
        """The forms before this one, the first one first."""
        if not isinstance(self.raw, ChangedMessage):
            return []
        about = self.raw.deleted_at, self.raw.how
        forms = self.raw.earlier
        return [
            Message(self.chat, ChangedMessage(form, place + 1, seen, *about, forms[:place]))
            for place, (seen, form) in enumerate(forms)
        ]

    @property
    def text(self) -> str:
        """Empty for a service message."""
        return str(self.raw.get("message", ""))

    @property
    def is_service(self) -> bool:
        return "action" in self.raw

    @property
    def sender_id(self) -> int:
        """Marked; the chat itself where nobody is named."""
        return marked(self.raw["from_id"]) if "from_id" in self.raw else self.chat.id

    @property
    def sender(self) -> Peer | None:
        """The chat itself for a channel's posts; None where Telegram did not send who it is."""
        return self.chat.peer if self.sender_id == self.chat.id else self.chat.peers.get(self.sender_id)

    @property
    def sender_name(self) -> str:
        """Empty for a deleted account, and where Telegram did not send who it is."""
        return self.sender.name if self.sender else ""

    @property
    def topic(self) -> int | None:
        """In a forum: the id of the topic's first message, 1 for the general one."""
        return topic_of(self.raw) if self.chat.type == "forum" else None

    @property
    def reply_to(self) -> Message | None:
        """The message of this chat that it answers, where the archive has it."""
        reply = self.raw.get("reply_to") or {}
        if "reply_to_msg_id" not in reply or (reply.get("forum_topic") and "reply_to_top_id" not in reply):
            return None
        if "reply_to_peer_id" in reply and marked(reply["reply_to_peer_id"]) != self.chat.id:
            return None
        return self.chat.message(reply["reply_to_msg_id"])

    @property
    def comments(self) -> Iterator[Message]:
        """On this post of a channel, ascending: messages of its discussion group, which the first call reads once."""
        group = self.chat.discussion
        if group is not None:
            for number in self.chat._threads.comments(self.id):
                found = group.message(number)
                if found is not None:
                    yield found

    @property
    def media(self) -> Media | None:
        """The photo or document of the message."""
        media = self.raw.get("media") or {"_": ""}
        name = {"messageMediaPhoto": "photo", "messageMediaDocument": "document"}.get(media["_"], "")
        found = media.get(name)
        return Media(self.chat, found) if found and found["_"] == name else None

    def __repr__(self) -> str:
        return f"<Message {self.chat.id}/{self.id} {self.text[:40]!r}>"


class Media:
    """A photo or document, and the file of it that the archive may have."""

    __slots__ = ("_chat", "raw")

    def __init__(self, chat: Chat, raw: dict[str, Any]) -> None:
        self._chat = chat
        self.raw = raw

    @property
    def id(self) -> int:
        return int(self.raw["id"])

    @property
    def kind(self) -> str:
        """photo or document"""
        return str(self.raw["_"])

    @property
    def path(self) -> Path | None:
        """The file, None where the archive has it not. StorageError."""
        archive = self._chat.archive
        size = largest_size(self.raw["sizes"]) if self.kind == "photo" else {"type": ""}
        found = archive._reader.media.get(self.kind, self.id, size["type"]) if size else None
        return archive.path / found.path if found is not None and found.done else None

    @property
    def mime_type(self) -> str:
        return str(self.raw.get("mime_type", "image/jpeg"))

    @property
    def file_name(self) -> str | None:
        """As it was sent."""
        return next((one["file_name"] for one in self.raw.get("attributes", []) if "file_name" in one), None)


class Peer:
    """A user or chat that messages name."""

    __slots__ = ("id", "raw")

    def __init__(self, number: int, raw: dict[str, Any]) -> None:
        #: marked
        self.id = number
        self.raw = raw

    @property
    def name(self) -> str:
        names = self.raw.get("first_name"), self.raw.get("last_name")
        return str(self.raw.get("title") or " ".join(one for one in names if one))

    @property
    def username(self) -> str | None:
        return next(iter(usernames(self.raw)), None)

    @property
    def type(self) -> str:
        """saved, private, bot, group, supergroup, forum or channel"""
        return chat_type(self.raw)

    def __repr__(self) -> str:
        return f"<Peer {self.id} {self.name!r}>"


class _Peers(Mapping[int, Peer]):
    def __init__(self, found: Mapping[int, dict[str, Any]]) -> None:
        self._found = found

    def __getitem__(self, number: int) -> Peer:
        return Peer(number, self._found[number])

    def __iter__(self) -> Iterator[int]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


#: The flag of a peer that makes it one of these types (stages/telegram/peer.py).
_FLAGS = {"saved": "self", "bot": "bot", "forum": "forum", "channel": "broadcast"}


def _raw_peer(chat: Chat) -> dict[str, Any]:
    """What is known of a chat in the form in which Telegram sends peers."""
    flag = _FLAGS.get(chat.type or "")
    flags = {flag: True} if flag else {}
    names = {"usernames": [{"_": "username", "username": one, "active": True} for one in chat.usernames]}
    if chat.id > 0:
        return {"_": "user", "id": chat.id, "first_name": chat.title, **flags, **names}
    if chat.id < -CHANNEL_MARK:
        return {"_": "channel", "id": -chat.id - CHANNEL_MARK, "title": chat.title, **flags, **names}
    return {"_": "chat", "id": -chat.id, "title": chat.title}


def _chained(first: Iterator[Any], second: Iterator[Any]) -> Iterator[Any]:
    yield from first
    yield from second


def _seconds(moment: Moment, end: bool) -> int:
    """Unix seconds. UsageError."""
    try:
        if isinstance(moment, str):
            alone = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", moment, re.ASCII)
            moment = date.fromisoformat(moment) if alone else datetime.fromisoformat(moment)
        if isinstance(moment, datetime):
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        if isinstance(moment, date):
            of_day = time(23, 59, 59) if end else time.min
            return int(datetime.combine(moment, of_day, UTC).timestamp())
        return int(moment)
    except (ValueError, OverflowError, TypeError) as error:
        raise UsageError(f"{moment!r} is no moment") from error


def _moment_of(unix: int | None) -> datetime | None:
    return None if unix is None else datetime.fromtimestamp(unix, UTC)
