"""A message as a piece of a note, in three flavours: for Obsidian, for any reader of CommonMark, and for language models."""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tgbulk.stages.archive.versions import ChangedMessage
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.html.media import read_document
from tgbulk.stages.render.html.row import media_word, rich_text
from tgbulk.stages.render.markdown.text import edged, escaped, markdown
from tgbulk.stages.render.service import counted, service_words
from tgbulk.stages.telegram.medium import largest_size
from tgbulk.stages.telegram.peer import marked

Tl = dict[str, Any]
OBSIDIAN, COMMONMARK, PLAIN = "obsidian", "commonmark", "plain"
#: Characters of a message that a reply quotes.
QUOTED = 160
_BLANKS = re.compile(r"\s+")
#: Endings of files that a note shows in place.
_EMBEDDED = frozenset((
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "avif", "mp4", "webm", "mov", "ogg", "oga", "mp3", "m4a", "wav", "flac",
    "pdf"))


@dataclass(slots=True)
class Notes:
    """Writes messages of one chat. It is a Voice of service_words."""

    flavor: str
    #: its marked id, and whose messages have no sender in a private chat
    chat: int
    account: int
    #: a name or "Deleted Account"
    plain_name: Callable[[int], str]
    clock: Clock
    #: (kind, id, letter) -> name of a file in attachments/, "" where there is none
    place: Callable[[str, int, str], str]
    #: the message with an id, None where there is none before the one at hand
    find: Callable[[int], Tl | None]
    #: a message's note, below the vault and without its ending
    note_of: Callable[[Tl], str]
    #: of a post: number of its comments that are rendered, and the note and id at which they begin; None for none
    comments: Callable[[int], tuple[int, str, int] | None]
    #: the note that is being written
    now: str = ""

    def sender(self, message: Tl) -> int:
        if "from_id" in message:
            return marked(message["from_id"])
        return self.account if message.get("out") and self.chat > 0 else marked(message["peer_id"])

    def piece(self, message: Tl) -> str:
        """A message with an empty line behind it."""
        return self._plain(message) if self.flavor == PLAIN else self._note(message)

    def name(self, peer: int) -> str:
        """For service_words."""
        return self.text(self.plain_name(peer))

    def text(self, text: str) -> str:
        """For service_words: on one line."""
        line = " ".join(text.split())
        return line if self.flavor == PLAIN else escaped(line)

    def when(self, unix: int) -> str:
        """For service_words."""
        return self.clock.at(unix).words

    def message(self, number: int, words: str) -> str:
        """For service_words."""
        if self.flavor == PLAIN:
            return f"{words} [{number}]"
        target = self.find(number)
        return self._link(target, words) if target else words

    def _plain(self, message: Tl) -> str:
        moment = self.clock.at(message["date"])
        zone = moment.zone.removeprefix("UTC")
        head = f"[{message['id']}] {moment.day.iso}T{moment.minute}:{moment.second}{zone} {self.name(self.sender(message))}"
        gone = self._deleted(message)
        if message["_"] == "messageService":
            words = service_words(message, self.name(self.sender(message)), bool(message.get("post")), self)
            return f"{head}{f' ({gone})' if gone else ''} * {words}\n\n"
        marks = [gone] if gone else []
        number = message.get("reply_to", {}).get("reply_to_msg_id")
        if number:
            marks.append(f"reply to {number}")
        if "fwd_from" in message:
            marks.append(f"forwarded from {self._origin(message['fwd_from'])}")
        said = f" ({', '.join(marks)})" if marks else ""
        media = f"[{self._described(message['media'])}]" if "media" in message else ""
        text = message["message"] or ("rich_message" in message and rich_text(message["rich_message"])) or ""
        told = self.comments(message["id"])
        below = f" ({counted(told[0], 'comment')}: {told[1]}.txt [{told[2]}])" if told else ""
        return f"{head}{said}: {' '.join(filter(None, (media, text)))}{below}\n\n"

    def _note(self, message: Tl) -> str:
        moment, who = self.clock.at(message["date"]), self.name(self.sender(message))
        mark = f" ^m{message['id']}" if self.flavor == OBSIDIAN else ""
        gone = self._deleted(message)
        if message["_"] == "messageService":
            words = service_words(message, who, bool(message.get("post")), self)
            return f"**{moment.minute}** {words}{f' ({gone})' if gone else ''}{mark}\n\n"
        blocks = [f"**{moment.minute}** {who}{f' ({gone})' if gone else ''}{mark}"]
        if "reply_to" in message and (line := self._reply(message["reply_to"])):
            blocks.append(f"> {line}")
        if "fwd_from" in message:
            blocks.append(f"> Forwarded from {self._origin(message['fwd_from'])}")
        if "media" in message and (line := self._media(message["media"])):
            blocks.append(line)
        text = message["message"] or ("rich_message" in message and rich_text(message["rich_message"])) or ""
        if text:
            blocks.append(markdown(text, message.get("entities")))
        if told := self.comments(message["id"]):
            blocks.append(self._way(told[1], told[2], counted(told[0], "comment")))
        return "\n\n".join(blocks) + "\n\n"

    def _deleted(self, message: Tl) -> str:
        """When it became known that it is deleted, "" where it is there."""
        if not isinstance(message, ChangedMessage) or message.deleted_at is None:
            return ""
        how = "auto-deleted" if message.auto_deleted else "deleted"
        return f"{how}, as was known on {self.clock.at(message.deleted_at).words}"

    def _origin(self, forward: Tl) -> str:
        if "from_id" in forward:
            return self.name(marked(forward["from_id"]))
        return self.text(forward.get("from_name") or self.plain_name(0))

    def _reply(self, reply: Tl) -> str:
        number, quoted = reply.get("reply_to_msg_id"), reply.get("quote_text")
        if number is None or ("reply_to_peer_id" in reply and marked(reply["reply_to_peer_id"]) != self.chat):
            return f"In reply to a message elsewhere{': ' + self.text(quoted[:QUOTED]) if quoted else ''}"
        if reply.get("forum_topic") and "reply_to_top_id" not in reply and not quoted:
            return ""  # posted in a topic, and no answer
        target = self.find(number)
        if target is None:
            return "In reply to a message that is not in the archive"
        said = quoted or target.get("message") or ("media" in target and media_word(target["media"])) or ""
        return f"{self._link(target, self.name(self.sender(target)))}: {self.text(said[:QUOTED])}"

    def _link(self, target: Tl, words: str) -> str:
        return self._way(self.note_of(target), target["id"], words)

    def _way(self, note: str, number: int, words: str) -> str:
        if self.flavor == OBSIDIAN:
            # Aliases end at | and ]; escapes are not read in them.
            alias = re.sub(r"[\[\]|\\#^`<>%=*_]", " ", words)
            return f"[[{'' if note == self.now else note}#^m{number}|{' '.join(alias.split()) or 'message'}]]"
        return f"[{words}](<{relative(self.now, note)}>)"

    def _media(self, media: Tl) -> str:
        described = self.text(self._described(media))
        kind, name = media["_"], ""
        if kind == "messageMediaPhoto" and media.get("photo", {}).get("_") == "photo":
            size = largest_size(media["photo"]["sizes"])
            name = self.place("photo", media["photo"]["id"], size["type"]) if size else ""
        elif kind == "messageMediaDocument" and media.get("document", {}).get("_") == "document":
            name = self.place("document", media["document"]["id"], "")
        if not name:
            return f"\\[{described}\\]" if described else ""
        shown = "!" if name.rpartition(".")[2].lower() in _EMBEDDED else ""
        if self.flavor == OBSIDIAN:
            return f"{shown}[[{self.chat}/attachments/{name}]]"
        return f"{shown}[{described}](<{relative(self.now, f'{self.chat}/attachments/{quote(name)}', '')}>)"

    def _described(self, media: Tl) -> str:
        """One line of words; "" for a web page, whose link stands in the text."""
        kind = media["_"]
        if kind == "messageMediaDocument" and media.get("document", {}).get("_") == "document":
            about = read_document(media["document"])
            return f"{about.kind}{' ' + about.name if about.name else ''}"
        if kind == "messageMediaPoll":
            options = " / ".join(one["text"]["text"] for one in media["poll"]["answers"] if "text" in one)
            return f"Poll: {media['poll']['question']['text']}: {options}"
        if kind == "messageMediaContact":
            return f"Contact: {media['first_name']} {media['last_name']} {media['phone_number']}"
        if kind in ("messageMediaGeo", "messageMediaVenue", "messageMediaGeoLive") and media["geo"]["_"] == "geoPoint":
            return f"Location: {media.get('title', '')} {media['geo']['lat']}, {media['geo']['long']}"
        if kind == "messageMediaToDo":
            items = " / ".join(one["title"]["text"] for one in media["todo"]["list"])
            return f"Checklist: {media['todo']['title']['text']}: {items}"
        return "" if kind in ("messageMediaWebPage", "messageMediaEmpty") else media_word(media)


def relative(now: str, target: str, ending: str = ".md") -> str:
    """The way from one note to another file of the vault."""
    return "../" * now.count("/") + target + ending


def front_matter(fields: list[tuple[str, Any]]) -> str:
    """YAML properties; strings are quoted."""
    lines = []
    for name, value in fields:
        if isinstance(value, list):
            lines.append(f"{name}:")
            lines += [f"  - {_scalar(one)}" for one in value]
        else:
            lines.append(f"{name}: {_scalar(value)}")
    return "---\n" + "\n".join(lines) + "\n---\n\n"


def _scalar(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    # A JSON string of ASCII is a YAML string in double quotes; plug-ins look for <% in properties as well.
    said = "".join(one if one.isprintable() and one not in '"\\<' else f"\\u{ord(one):04x}" if one < "\U00010000" else
                   f"\\U{ord(one):08x}" for one in _BLANKS.sub(" ", value))
    return f'"{said}"'


def title_line(title: str) -> str:
    return f"# {edged(escaped(' '.join(title.split())))}\n\n"
