"""A message as a row of a page, with the class names and ids of Telegram Desktop's pages (docs/spec/render.md 1).

Readers of those pages compare whole class attributes, so what is ours is an attribute of its own (`data-album`).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tgbulk.stages.archive.versions import ChangedMessage
from tgbulk.stages.render.clock import Clock, Day
from tgbulk.stages.render.html.media import MediaView
from tgbulk.stages.render.html.text import address, escaped, html, link
from tgbulk.stages.render.service import counted, service_words
from tgbulk.stages.telegram.peer import marked

Tl = dict[str, Any]

#: Who has no name.
NAMELESS = "Deleted Account"
#: Seconds between two messages that are shown as one; a forward and the next.
_JOINED, _JOINED_FORWARD = 900, 1
#: Characters of a message that a reply quotes.
QUOTED = 160
#: Colours of senders in the style sheet.
_COLOURS = 8
#: Names kept.
_KEPT = 8192
_NAME_END = "</div>\n"
#: What readers of Telegram Desktop's pages know service messages by. They stop at others, but for texts with a date in them,
#: which they take for the beginning of a day: so others are written with their date.
_KNOWN = (
    " invited ", " removed ", " joined group by ", " created topic «", " changed topic title to «",
    " changed topic icon to «", " changed group title to «", "Channel title changed to «", "Channel photo changed",
    " changed group photo", " converted a basic group to ", " pinned ",
)


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """A message that others lead to."""

    message: Tl
    #: the page it is on, "" for the same
    page: str


class HtmlNames:
    """Names of users and chats as HTML, each made once."""

    def __init__(self, name: Callable[[int], str]) -> None:
        """name: of a marked id, "" for one that has none or is not known."""
        self.plain = lru_cache(_KEPT)(lambda peer: name(peer) or NAMELESS)
        self.html = lru_cache(_KEPT)(lambda peer: f"<bdi>{escaped(self.plain(peer))}</bdi>")
        self.picture = lru_cache(_KEPT)(lambda peer: picture(self.plain(peer), peer))
        #: what begins a message that is not joined: the face, and the line with the name
        self.head = lru_cache(_KEPT)(lambda peer: (
            f"{self.picture(peer)}\n", f'<div class="from_name" data-colour="{colour(peer)}">{self.html(peer)}{_NAME_END}'))


def picture(name: str, peer: int) -> str:
    """What stands for a face: initials on a colour."""
    words = [word for word in name.split() if word[0].isalnum()] or name.split()
    letters = "".join(word[0] for word in (words if len(words) < 2 else (words[0], words[-1])))
    return (
        f'<div class="pull_left userpic_wrap"><div class="userpic userpic{colour(peer)}">'
        f'<div class="initials">{escaped(letters.upper())}</div></div></div>'
    )


def colour(peer: int) -> int:
    return peer % _COLOURS + 1


class Rows:
    """Makes the rows of one page, one message after the other."""

    def __init__(
        self, chat: int, account: int, names: HtmlNames, clock: Clock, media: MediaView,
        find: Callable[[int, int], LinkedMessage | None], shift: int = 0, comments: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        """chat: its marked id. account: whose messages have no sender in a private chat.

        find: the message with an id of this chat, to which the one with the second id leads; None for one that is not in the
        archive. shift: is added to ids where they are written. comments: post -> link to those that are rendered.
        """
        self.chat, self.account = chat, account
        self.names, self.clock, self.media, self.find, self.shift = names, clock, media, find, shift
        self.comments = comments
        self._days = 0
        #: whether the last row goes on from the one before
        self.joined = False
        #: sender of the last row, and the addresses that its text leads to
        self.who = 0
        self.links: list[str] = []
        #: id of the service message at hand
        self._now = 0
        #: sender, bot, forward, date and topic of the message before; None after a service message
        self._before: tuple[Any, ...] | None = None

    def sender(self, message: Tl) -> int:
        """Who sent it: the chat itself for posts, and for what the other side of a private chat wrote."""
        if "from_id" in message:
            return marked(message["from_id"])
        return self.account if message.get("out") and self.chat > 0 else marked(message["peer_id"])

    def row(self, message: Tl, minute: str, full: str, topic: int = 0) -> str:
        """The HTML of a message. The times are those of `Clock.shown`. topic: of a forum's message."""
        self.links.clear()
        if message["_"] == "messageService":
            self._before, self.joined = None, False
            return self._service(message)
        get = message.get
        source = get("from_id")
        sender = self.who = self.sender(message) if source is None else marked(source)
        forward, via, date, number = get("fwd_from"), get("via_bot_id"), message["date"], message["id"]
        origin = forward and (forward.get("from_id"), forward.get("from_name"), forward.get("post_author"))
        before, self._before = self._before, (sender, via, origin, date, topic)
        if (
            before is not None and before[0] == sender and before[1] == via and before[2] == origin
            and date - before[3] <= (_JOINED_FORWARD if forward else _JOINED) and before[4] == topic
        ):
            joined = self.joined = True
            css, face, name = " joined", "", ""
        else:
            joined = self.joined = False
            css, (face, name) = "", self.names.head(sender)
            if via:
                name = f"{name.removesuffix(_NAME_END)} via {self._bot(via)}{_NAME_END}"
        reply = get("reply_to")
        if reply is not None:
            name += self._reply(reply, number)
        text = message["message"]
        if "rich_message" in message:
            text = text or rich_text(message["rich_message"])
        entities = get("entities")
        said = html(text, entities, self.links) if entities else escaped(text)
        content = f'<div class="text" dir="auto">{said}</div>\n'
        media = get("media")
        if media is not None:
            shown = self.media.show(media)
            content = content + shown if media["_"] == "messageMediaWebPage" else shown + content
        if forward:
            content = self._forwarded(forward, joined, content)
        grouped = " data-album" if "grouped_id" in message else ""
        if isinstance(message, ChangedMessage):
            content += self._changed(message)
            grouped += _DELETED if message.deleted_at is not None else ""
        if len(message) > 6 or number in self.comments:
            content += self._foot(message, topic)
        number += self.shift
        return (
            f'<div class="message default clearfix{css}" id="message{number}"{grouped}>\n'
            f'{face}<div class="body" id="go_to_message{number}">\n'
            f'<div class="pull_right date details" title="{full}"><a href="#message{number}">{minute}</a></div>\n'
            f"{name}{content}</div>\n</div>\n"
        )

    def new_day(self, day: Day) -> str:
        """A line where a day begins."""
        self._before = None
        self._days += 1
        return day_row(day, self._days)

    def hole(self, words: str) -> str:
        """A line where messages are missing."""
        self._before = None
        return f'<div class="hole details">{escaped(words)}</div>\n'

    def snippet(self, message: Tl) -> str:
        """The beginning of a message as plain text."""
        text = message.get("message", "")
        if text:
            return " ".join(text[: 2 * QUOTED].split())[:QUOTED]
        if "media" in message:
            return media_word(message["media"])
        return "Service message" if message["_"] == "messageService" else "Empty message"

    def name(self, peer: int) -> str:
        """For service_words."""
        return self.names.html(peer)

    def text(self, text: str) -> str:
        """For service_words."""
        return f"<bdi>{escaped(text)}</bdi>"

    def when(self, unix: int) -> str:
        """For service_words."""
        return self.clock.at(unix).words

    def message(self, number: int, words: str) -> str:
        """For service_words."""
        target = self.find(number, self._now)
        return f'<a href="{target.page}#go_to_message{number + self.shift}">{words}</a>' if target else words

    def _service(self, message: Tl) -> str:
        post = bool(message.get("post"))
        self.who = self.sender(message)
        self._now = message["id"]
        words = service_words(message, self.names.html(self.who), post, self)
        action = message["action"]
        if not any(one in words for one in _KNOWN):
            words += f'<span class="when">{self.clock.at(message["date"]).words}</span>'
        number = message["id"] + self.shift
        extra = self.media.show({"_": "messageMediaPhoto", "photo": action["photo"]}) if "photo" in action else ""
        deleted = ""
        if isinstance(message, ChangedMessage):
            extra += self._changed(message)
            deleted = _DELETED if message.deleted_at is not None else ""
        return (
            f'<div class="message service" id="message{number}"{deleted}>\n'
            f'<div class="body details" id="go_to_message{number}">{words}</div>\n{extra}{self._reactions(message)}</div>\n'
        )

    def _bot(self, bot: int) -> str:
        return f"@{self.names.html(bot)}"

    def _reply(self, reply: Tl, now: int) -> str:
        if reply["_"] != "messageReplyHeader":
            whose = f" of {self.names.html(marked(reply['peer']))}" if "peer" in reply else ""
            return f'<div class="reply_to details">In reply to a story{whose}</div>\n'
        quote = reply.get("quote_text")
        number = reply.get("reply_to_msg_id")
        elsewhere = "reply_to_peer_id" in reply and marked(reply["reply_to_peer_id"]) != self.chat
        if elsewhere or number is None:
            chat = f" in {self.names.html(marked(reply['reply_to_peer_id']))}" if elsewhere else ""
            said = self._quote(quote) if quote else ""
            return f'<div class="reply_to details">In reply to a message{chat}{said}</div>\n'
        if reply.get("forum_topic") and "reply_to_top_id" not in reply and not quote:
            return ""  # posted in a topic, and no answer
        target = self.find(number, now)
        if target is None:
            said = self._quote(quote) if quote else ""
            return f'<div class="reply_to details">In reply to a message that is not in the archive{said}</div>\n'
        name = self.names.html(self.sender(target.message))
        said = self._quote(quote or self.snippet(target.message))
        way = f'<a href="{target.page}#go_to_message{number + self.shift}">{name}{said}</a>'
        return f'<div class="reply_to details">In reply to {way}</div>\n'

    def _quote(self, text: str) -> str:
        return f'<span class="quote" dir="auto">{escaped(text[:QUOTED])}</span>'

    def _forwarded(self, forward: Tl, joined: bool, content: str) -> str:
        if joined:
            return f'<div class="forwarded body">\n{content}</div>\n'
        if "from_id" in forward:
            who = self.names.html(marked(forward["from_id"]))
        else:
            who = f"<bdi>{escaped(forward.get('from_name') or NAMELESS)}</bdi>"
        if forward.get("post_author"):
            who += f" (<bdi>{escaped(forward['post_author'])}</bdi>)"
        moment = self.clock.at(forward["date"])
        local = f"{moment.day.dotted} {moment.minute}:{moment.second}"
        when = f'<span class="date details" title="{moment.full}"> {local}</span>'
        return f'<div class="forwarded body">\n<div class="from_name">{who}{when}</div>\n{content}</div>\n'

    def _foot(self, message: Tl, topic: int) -> str:
        """What stands below a message: signature, buttons, reactions, and what is only known of some."""
        out, get = "", message.get
        if (author := get("post_author")) is not None:
            out = f'<div class="signature details"><bdi>{escaped(author)}</bdi></div>\n'
        if (markup := get("reply_markup")) is not None:
            out += _buttons(markup)
        if "reactions" in message:
            out += self._reactions(message)
        said = []
        if (edited := get("edit_date")) is not None and not get("edit_hide"):
            said.append(f'<span title="{self.clock.shown(edited)[2]}">edited</span>')
        if (views := get("views")) is not None:
            said.append(f"{views:,} views" if views != 1 else "1 view")
        if forwards := get("forwards"):
            said.append(f"{forwards:,} forwards" if forwards != 1 else "1 forward")
        if (comments := self.comments.get(message["id"])) is not None:
            said.append(comments)
        elif (answers := get("replies")) is not None and (replies := answers.get("replies")):
            said.append(f"{replies:,} comment{'s' * (replies != 1)}" if answers.get("comments") else f"replies: {replies:,}")
        if get("pinned"):
            said.append("pinned")
        if topic > 1:
            said.append(f'<a href="topics.html#topic{topic}">topic</a>')
        return f'{out}<div class="known details">{" · ".join(said)}</div>\n' if said else out

    def _changed(self, message: ChangedMessage) -> str:
        """When it became known that the message is deleted, and the texts that it had before."""
        out = ""
        if message.deleted_at is not None:
            moment = self.clock.at(message.deleted_at)
            when = f'<span title="{moment.full}">{moment.words}</span>'
            how = "auto-deleted" if message.auto_deleted else "deleted"
            out = f'<div class="known details">{how}, as was known on {when}</div>\n'
        if not message.earlier:
            return out
        forms = []
        for seen, form in reversed(message.earlier):
            when = "first" if seen is None else f"known since {self.clock.at(seen).words}"
            said = html(form.get("message") or self.snippet(form), form.get("entities"))
            forms.append(f'<div class="earlier details">{when}</div>\n<div class="earlier" dir="auto">{said}</div>\n')
        words = counted(len(message.earlier), "earlier version")
        return f"{out}<details><summary class=\"known details\">edited: {words}</summary>\n{''.join(forms)}</details>\n"

    def _reactions(self, message: Tl) -> str:
        results = message.get("reactions", {}).get("results")
        if not results:
            return ""
        shown = [f'{_reaction(one["reaction"].get("emoticon") or one["reaction"]["_"])}{one["count"]}' for one in results]
        return f'<span class="reactions">{"</span></span>".join(shown)}</span></span></span>\n'


def day_row(day: Day, number: int) -> str:
    """number: of the day in its page, from 1."""
    body = f'<div class="body details">{day.words}</div>'
    return f'<div class="message service" id="message-{number}">\n{body}\n</div>\n'


#: Marks what the style sheet strikes out.
_DELETED = " data-deleted"
_MEDIA_WORDS = {
    "messageMediaPhoto": "Photo", "messageMediaDocument": "File", "messageMediaPoll": "Poll", "messageMediaGeo": "Location",
    "messageMediaVenue": "Location", "messageMediaGeoLive": "Live location", "messageMediaContact": "Contact",
    "messageMediaToDo": "Checklist", "messageMediaStory": "Story", "messageMediaGame": "Game", "messageMediaDice": "Dice",
}


def media_word(media: Tl) -> str:
    """One word for what a message carries."""
    return _MEDIA_WORDS.get(media["_"], "Media")


def rich_text(value: Any) -> str:
    """The text of a rich message's blocks, one after the other."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("text"), str):
                found.append(one["text"])
            waiting += [inner for inner in reversed(one.values()) if isinstance(inner, dict | list)]
        elif isinstance(one, list):
            waiting += reversed(one)
    return "\n".join(found)


@lru_cache(_KEPT)
def _reaction(kind: str) -> str:
    """What stands before the count of a reaction. kind: an emoticon, or the constructor of a reaction that has none."""
    emoji = "⭐" if kind == "reactionPaid" else "✨" if kind.startswith("reaction") else escaped(kind)
    return f'<span class="reaction"><span class="emoji">{emoji}</span><span class="count">'


def _buttons(markup: Tl) -> str:
    if markup["_"] != "replyInlineMarkup":
        return ""
    rows = []
    for row in markup["rows"]:
        cells = []
        for button in row["buttons"]:
            label = f"<bdi>{escaped(button['text'])}</bdi>"
            url = button.get("url") or button.get("type", {}).get("url", "")
            cells.append(f'<td class="bot_button"><div>{link(url, label) if url and address(url) else label}</div></td>')
        rows.append(f'<tr><td><table class="bot_button_row"><tr>{"".join(cells)}</tr></table></td></tr>')
    return f'<table class="bot_buttons_table"><tbody>{"".join(rows)}</tbody></table>\n'
