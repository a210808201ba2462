"""`tgbulk render markdown`: the format. A part gives pieces of notes; a chat's pieces are joined to notes with properties.

What a person wrote below the last line that tgbulk wrote (MARKER) is kept through every render, and a note with such lines
is never removed.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.media_reader import MediaFile
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.comments import Comments, comments_by_post, discussion, lines_of
from tgbulk.stages.render.format import ChatDone, Format
from tgbulk.stages.render.half import halves_together, newer_half
from tgbulk.stages.render.hole import holes, shortfalls
from tgbulk.stages.render.html.part import file_address, link_or_copy
from tgbulk.stages.render.html.row import NAMELESS
from tgbulk.stages.render.markdown.note import OBSIDIAN, PLAIN, Notes, front_matter, title_line
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.part_media import file_keys
from tgbulk.stages.render.view import View, name_of
from tgbulk.stages.telegram.peer import topic_of

Tl = dict[str, Any]

#: The last line that tgbulk writes. No message can contain it: `<` never stands in a text.
MARKER = b"<!-- tgbulk: lines below this one are yours and stay -->\n"
DAY, MONTH, MESSAGE, TOPIC = "day", "month", "message", "topic"
#: Messages that are looked up without reading.
_HELD = 2000
_KEPT = 512
#: Messages whose media are looked up at once.
_BATCH = 500
#: Names in the properties of a note.
_PARTICIPANTS = 100
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class Markdown(Format):
    """Notes of a chat."""

    name: ClassVar[str] = "markdown"
    part_messages: ClassVar[int] = 20_000
    joins_halves: ClassVar[bool] = True
    joins_comments: ClassVar[bool] = True

    timezone: str = "local"
    notes: str = DAY
    flavor: str = OBSIDIAN

    def shown(self, peer: Any) -> Any:
        return name_of(peer).name

    def context(self, snapshot: ChatSnapshot) -> Any:
        about = snapshot.about
        newer = newer_half(snapshot)
        return [about.type, about.title, about.account, holes(snapshot), newer.marked_id if newer else None,
                lines_of(discussion(snapshot))]

    def intact(self, output: Output, name: str, size: int) -> bool:
        path = output.path(name)
        return path.is_file() and (path.stat().st_size == size or (name.endswith(".md") and own_size(path) == size))

    def keeps(self, output: Output, name: str) -> bool:
        path = output.path(name)
        return name.endswith(".md") and path.is_file() and own_size(path) < path.stat().st_size

    def render(self, part: Part, view: View) -> dict[str, Any]:
        clock = Clock(None if self.timezone == "local" else ZoneInfo(self.timezone))
        return _PartNotes(part, view, clock, self).write()

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        ending = "txt" if self.flavor == PLAIN else "md"
        pieces: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
        for part in chat.parts:
            for note, piece in part.result["notes"].items():
                pieces.setdefault(note, []).append((part, piece))
            for number, name in enumerate(part.result["media"]):
                target = f"{chat.marked_id}/attachments/{name}"
                if part.fresh:
                    chat.files[target] = output.put(target, chat.temporary(part, f"file{number}", output))
                else:
                    chat.files.setdefault(target, output.path(target).stat().st_size)
        for note, found in sorted(pieces.items()):
            chat.files[f"{note}.{ending}"] = self._join(chat, note, found, f"{note}.{ending}", output)

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        lines = [title_line("Chats") if self.flavor != PLAIN else "Chats\n\n"]
        ending = "txt" if self.flavor == PLAIN else "md"
        for halves in halves_together(chats):
            chat = halves[-1]
            index = f"{chat.marked_id}/index.{ending}"
            if any(half.changed or index not in half.files for half in halves):
                size = self._put(index, self._index(halves).encode("utf-8", "replace"), output)
                for half in halves:
                    half.files[index] = size
            title = chat.snapshot.about.title or NAMELESS
            count = sum(part.messages for half in halves for part in half.parts)
            lines.append(f"{_link(self.flavor, f'{chat.marked_id}/index', title)}: {count:,}\n\n")
        return {f"index.{ending}": self._put(f"index.{ending}", "".join(lines).encode("utf-8", "replace"), output)}

    def _join(self, chat: ChatDone, note: str, found: list[tuple[Any, dict[str, Any]]], name: str, output: Output) -> int:
        """One note from its pieces; the bytes that are tgbulk's."""
        head = b""
        if self.flavor != PLAIN:
            head = self._head(chat, note, [piece for _, piece in found]).encode("utf-8", "replace")
        path = output.new_file()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, head)
            place = len(head)
            for part, piece in found:
                source, offset = (chat.temporary(part, "notes", output), piece["offset"]) if part.fresh else (
                    output.path(name), piece["place"])
                output.copy_range(source, offset, piece["size"], descriptor)
                piece["place"] = place
                place += piece["size"]
        finally:
            os.close(descriptor)
        return self._close(name, path, place, output)

    def _put(self, name: str, data: bytes, output: Output) -> int:
        path = output.new_file()
        path.write_bytes(data)
        return self._close(name, path, len(data), output)

    def _close(self, name: str, path: Path, size: int, output: Output) -> int:
        """Write the marker and what a person added below it before, and put the note."""
        if self.flavor == PLAIN:
            output.put(name, path)
            return size
        with open(path, "ab") as file:
            file.write(MARKER + added(output.path(name)))
        output.put(name, path)
        return size + len(MARKER)

    def _head(self, chat: ChatDone, note: str, pieces: list[dict[str, Any]]) -> str:
        about = chat.snapshot.about
        people = list(dict.fromkeys(name for piece in pieces for name in piece["people"]))[:_PARTICIPANTS]
        fields: list[tuple[str, Any]] = [
            ("chat", about.title or NAMELESS), ("chat_id", chat.marked_id), ("date", pieces[0]["date"]),
            ("messages", sum(piece["count"] for piece in pieces)), ("participants", people),
        ]
        if self.notes == TOPIC:
            fields.append(("topic", int(note.rpartition("-")[2])))
        fields += [("first_id", pieces[0]["first"]), ("last_id", pieces[-1]["last"])]
        bare = str(chat.marked_id).removeprefix("-100").lstrip("0")
        if chat.marked_id < -10**12:
            where = about.usernames[0] if about.usernames else f"c/{bare}"
            fields.append(("url", f"https://t.me/{where}/{pieces[0]['first']}"))
        return front_matter([*fields, ("tags", ["telegram"])])

    def _index(self, halves: list[ChatDone]) -> str:
        """Of a chat, or of both halves of a group: what there is of notes, those of the older half first."""
        chat = halves[-1]
        about = chat.snapshot.about
        title = about.title or NAMELESS
        parts = [part for half in halves for part in half.parts]
        notes = [note for half in halves for note in sorted({note for part in half.parts for note in part.result["notes"]})]
        said = [one for half in halves for one in shortfalls(half.snapshot)]
        unshown = sum(part.result["unshown"] for part in parts)
        if unshown:
            said.append(f"{unshown:,} of its messages could not be shown; each has a line where it stands.")
        if self.flavor == PLAIN:
            return "\n".join([title, *said, *notes]) + "\n"
        fields = [("chat", title), ("chat_id", chat.marked_id), ("messages", sum(part.messages for part in parts)),
                  ("aliases", [title]), ("tags", ["telegram"])]
        body = "".join(f"> {one}\n\n" for one in said)
        links = "".join(f"{_link(self.flavor, note, note.rpartition('/')[2], '../')}\n\n" for note in notes)
        return f"{front_matter(fields)}{title_line(title)}{body}{links}"


def _link(flavor: str, note: str, words: str, up: str = "") -> str:
    if flavor == PLAIN:
        return f"{note} {words}"
    plain = " ".join("".join(one if one.isalnum() or one in " -'.," else " " for one in words).split()) or "chat"
    return f"[[{note}|{plain}]]" if flavor == OBSIDIAN else f"[{plain}](<{up}{note}.md>)"


def own_size(path: Path) -> int:
    """Bytes of a note up to what a person added; all of them where the marker is gone. OSError."""
    place = path.read_bytes().find(MARKER)
    return place + len(MARKER) if place >= 0 else path.stat().st_size


def added(path: Path) -> bytes:
    """What a person wrote below the marker; all of a note whose marker is gone. OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b""
    return data.partition(MARKER)[2] if MARKER in data else data


class _PartNotes:
    """Writes the pieces of notes of one part into one file."""

    def __init__(self, part: Part, view: View, clock: Clock, format: Markdown) -> None:
        self._part, self._view, self._clock, self._format = part, view, clock, format
        self._chat = view.snapshot.marked_id
        self._title = view.snapshot.about.title or NAMELESS
        self._held: list[dict[int, Tl]] = [{}, {}]
        self._files: dict[tuple[str, int, str], MediaFile] = {}
        self._media: dict[str, int] = {}
        self._again = lru_cache(_KEPT)(view.message)
        if "comments" not in view.kept:
            view.kept["comments"] = comments_by_post(view.snapshot, view.filter)
        self._comments: dict[int, Comments] = view.kept["comments"]
        self._last = 0
        self._notes: dict[str, dict[str, Any]] = {}
        self._texts: dict[str, list[str]] = {}
        self._unshown = 0
        previous = part.previous()
        self._holes = [(int(first), str(words)) for first, words in holes(view.snapshot)
                       if int(first) <= part.last_id and (previous is None or int(first) > previous["id"])]

    def write(self) -> dict[str, Any]:
        """The part's result. OSError, StorageError."""
        about = self._view.snapshot.about
        notes = Notes(self._format.flavor, self._chat, about.account or 0, self._name, self._clock, self._place, self._find,
                      self._note_of, self._comments_on)
        batch: list[Tl] = []
        for message in self._part.messages_of():
            if self._view.wanted(message):
                batch.append(message)
            if len(batch) == _BATCH:
                self._add(batch, notes)
                batch = []
        self._add(batch, notes)
        offset = 0
        with self._view.new_file("notes") as file:
            for note, texts in self._texts.items():
                data = "".join(texts).encode("utf-8", "replace")
                file.write(data)
                self._notes[note] |= {"offset": offset, "size": len(data)}
                offset += len(data)
        return {"notes": self._notes, "media": list(self._media), "unshown": self._unshown}

    def _add(self, messages: list[Tl], notes: Notes) -> None:
        self._find_files(messages)
        for message in messages:
            note = notes.now = self._note_of(message)
            texts = self._texts.setdefault(note, [])
            while self._holes and self._holes[0][0] < message["id"]:
                texts.append(f"> {self._holes.pop(0)[1]}\n\n")
            self._last = message["id"]
            try:
                texts.append(notes.piece(message))
                who = self._name(notes.sender(message))
            except _MALFORMED as error:
                # It is named, and does not keep others from being shown.
                self._unshown += 1
                texts.append(f"> Message {message['id']} cannot be shown: {type(error).__name__}\n\n")
                who = ""
            self._count(note, message, who)
            if len(self._held[1]) >= _HELD:
                self._held = [self._held[1], {}]
            self._held[1][message["id"]] = message

    def _count(self, note: str, message: Tl, who: str) -> None:
        about = self._notes.setdefault(note, {
            "count": 0, "first": message["id"], "last": 0, "people": [], "date": self._clock.at(message["date"]).day.iso})
        about["count"] += 1
        about["last"] = message["id"]
        if who and who not in about["people"] and len(about["people"]) < _PARTICIPANTS:
            about["people"].append(who)

    def _comments_on(self, post: int) -> tuple[int, str, int] | None:
        """Their number, and the note and id at which they begin; None where there are none."""
        one = self._comments.get(post)
        if one is None:
            return None
        note = self._note_of({"id": one.first_id, "date": one.first_date}, self._view.snapshot.about.linked)
        return one.count, note, one.first_id

    def _note_of(self, message: Tl, chat: int | None = None) -> str:
        """chat: its marked id, where it is not the one at hand."""
        day = self._clock.at(message["date"]).day.iso
        if self._format.notes == TOPIC:
            return f"{chat or self._chat}/topic-{topic_of(message) if self._view.forum else 1}"
        if self._format.notes == MONTH:
            return f"{chat or self._chat}/{day[:4]}/{day[:7]}"
        if self._format.notes == MESSAGE:
            return f"{chat or self._chat}/{day[:4]}/{day}-{message['id']}"
        return f"{chat or self._chat}/{day[:4]}/{day}"

    def _name(self, peer: int) -> str:
        return self._view.names[peer] or (self._title if peer == self._chat else NAMELESS)

    def _find(self, number: int) -> Tl | None:
        """A message before the one at hand that is in a note."""
        for known in reversed(self._held):
            if number in known:
                return known[number]
        if number >= self._last:
            return None
        found = self._again(number)
        return found if found is not None and self._view.wanted(found) else None

    def _find_files(self, messages: list[Tl]) -> None:
        self._files = {}
        if not self._view.media.empty and self._format.flavor != PLAIN:
            keys = [key for message in messages if "media" in message for key in file_keys(message["media"])]
            self._files = self._view.media.find(keys)

    def _place(self, kind: str, number: int, letter: str) -> str:
        file = self._files.get((kind, number, letter))
        if file is None or not file.done:
            return ""
        name = file_address(file.path).rpartition("/")[2]
        if name not in self._media:
            if not link_or_copy(self._view.snapshot.root / file.path, self._view.temporary(f"file{len(self._media)}")):
                return ""
            self._media[name] = len(self._media)
        return name


