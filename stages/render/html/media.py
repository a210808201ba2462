"""What a message carries besides text, as HTML: pictures and players where the file is there, else what it was."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tgbulk.stages.render.html.text import escaped, html, link, quoted
from tgbulk.stages.render.money import money, phone_number
from tgbulk.stages.render.service import counted
from tgbulk.stages.telegram.medium import category, largest_size
from tgbulk.stages.telegram.peer import marked

Tl = dict[str, Any]

#: Pixels of the longer side of a picture in the page.
_LARGEST = 420
_LARGEST_STICKER = 192
#: What a browser shows by itself, by MIME type.
_PICTURES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif")
_KINDS = {
    "sticker": ("Sticker", "media_photo"),
    "round": ("Video message", "media_video"),
    "voice": ("Voice message", "media_voice_message"),
    "animation": ("Animation", "media_video"),
    "video": ("Video file", "media_video"),
    "audio": ("Audio file", "media_audio_file"),
    "document": ("File", "media_file"),
}


@dataclass(frozen=True, slots=True)
class DocumentAttributes:
    """What the attributes of a document say."""

    kind: str
    name: str
    title: str
    emoji: str
    duration: float
    width: int
    height: int


@dataclass(slots=True)
class MediaView:
    """Shows media of messages.

    `place(kind, id, letter)` gives the address of a file that is there, relative to the page and escaped, else "".
    `name(marked id)` and `when(Unix seconds)` give HTML.
    """

    place: Callable[[str, int, str], str]
    name: Callable[[int], str]
    when: Callable[[int], str]
    #: whether there are any files
    files: bool = True

    def show(self, media: Tl) -> str:
        """The HTML of a messageMedia, "" for one that shows nothing."""
        shown = _SHOWN.get(media["_"])
        inner = shown(self, media) if shown else _entry("Unknown media", escaped(media["_"]))
        return f'<div class="media_wrap clearfix">{inner}</div>\n' if inner else ""

    def preview(self, media: Tl) -> tuple[str, str]:
        """For a list: the address of a picture, or "", and what it is."""
        photo, document = media.get("photo", {}), media.get("document", {})
        if document.get("_") == "document":
            about = read_document(document)
            words = quoted(about.title or about.name or _KINDS[about.kind][0])
            if not self.files:
                return "", words
            size = largest_size(document.get("thumbs", []))
            if document["mime_type"] in _PICTURES and (href := self.place("document", document["id"], "")):
                return href, words
            return self.place("document", document["id"], size["type"]) if size else "", words
        size = largest_size(photo.get("sizes", [])) if self.files else None
        return self.place("photo", photo["id"], size["type"]) if size else "", "Photo"

    def photo(self, media: Tl) -> str:
        photo = media.get("photo")
        if photo is None or photo["_"] != "photo" or "ttl_seconds" in media:
            return _entry("Photo", _gone(media), kind="media_photo")
        size = largest_size(photo["sizes"])
        if size is None:
            return _entry("Photo", "not available", kind="media_photo")
        href = self.place("photo", photo["id"], size["type"]) if self.files else ""
        if not href:
            return f"{_NO_PHOTO}{size['w']}x{size['h']}, not in the archive</div></div></div>"
        return _picture("photo", href, href, size["w"], size["h"], "Photo", media.get("spoiler"))

    def document(self, media: Tl) -> str:
        document = media.get("document")
        if document is None or document["_"] != "document" or "ttl_seconds" in media:
            kind = next((one for one in ("voice", "round", "video") if media.get(one)), "document")
            return _entry(_KINDS[kind][0], _gone(media), kind=_KINDS[kind][1])
        about = read_document(document)
        return self._file(document, about, media.get("spoiler"))

    def _file(self, document: Tl, about: DocumentAttributes, spoiler: Any) -> str:
        href = self.place("document", document["id"], "") if self.files else ""
        mime_type = document["mime_type"]
        label, kind = _KINDS[about.kind]
        title = escaped(about.title or about.name) or label
        status = _status(about.duration, document["size"])
        if not href:
            return _entry(title, f"{status}, not in the archive" if status else "not in the archive", kind=kind)
        thumb = largest_size(document.get("thumbs", []))
        poster = self.place("document", document["id"], thumb["type"]) if thumb else ""
        if about.kind == "sticker" or (mime_type in _PICTURES and about.kind == "document" and about.width):
            if mime_type in _PICTURES:
                css = "sticker" if about.kind == "sticker" else "photo"
                return _picture(css, href, href, about.width, about.height, about.emoji or about.name or label, spoiler)
            if mime_type != "video/webm" and poster:
                return _picture("sticker", href, poster, about.width, about.height, about.emoji or label, spoiler)
        if mime_type.startswith("video/") and about.kind in ("video", "round", "animation", "sticker"):
            return _video(about, href, poster, title, status, spoiler)
        if about.kind in ("voice", "audio"):
            player = f'<audio controls preload="none" src="{href}"></audio>'
            return _entry(title, status, href, kind, after=player)
        return _entry(title, status, href, kind, name=about.name)

    def web_page(self, media: Tl) -> str:
        page = media["webpage"]
        if page["_"] != "webPage":
            url = page.get("url", "")
            return f'<div class="webpage">{link(url, escaped(url))}</div>' if url and page["_"] == "webPageEmpty" else ""
        title = page.get("title") or page.get("site_name") or page.get("display_url", "")
        lines = [f'<div class="site details"><bdi>{escaped(page["site_name"])}</bdi></div>'] if page.get("site_name") else []
        lines.append(f'<div class="title bold" dir="auto">{link(page["url"], escaped(title))}</div>')
        if page.get("description"):
            lines.append(f'<div class="description" dir="auto">{escaped(page["description"])}</div>')
        photo = page.get("photo", {}) if self.files else {}
        size = largest_size(photo.get("sizes", []))
        if size is not None and (href := self.place("photo", photo["id"], size["type"])):
            lines.append(_picture("photo", href, href, size["w"], size["h"], "Preview", None))
        return f'<div class="webpage">{"".join(lines)}</div>'

    def poll(self, media: Tl) -> str:
        poll, results = media["poll"], media["results"]
        counts = {one["option"]: one for one in results.get("results", [])}
        kind = "Quiz" if poll.get("quiz") else "Public poll" if poll.get("public_voters") else "Anonymous poll"
        if poll.get("closed"):
            kind = f"{kind}, closed"
        total = results.get("total_voters", 0)
        answers = []
        for answer in poll["answers"]:
            if "option" not in answer:
                continue
            found = counts.get(answer["option"], {})
            votes = found.get("voters")
            marks = "".join(mark for name, mark in (("chosen", " · chosen"), ("correct", " · correct")) if found.get(name))
            share = f'<progress max="{max(total, votes, 1)}" value="{votes}"></progress>' if votes is not None else ""
            said = f'<span class="details">{counted(votes, "vote") if votes is not None else ""}{marks}</span>'
            answers.append(f'<div class="answer" dir="auto">- {rich(answer["text"])} {said}{share}</div>')
        more = ""
        if results.get("solution"):
            solution = html(results["solution"], results.get("solution_entities"))
            more = f'<div class="details" dir="auto">{solution}</div>'
        return (
            f'<div class="media_poll"><div class="question bold" dir="auto">{rich(poll["question"])}</div>'
            f'<div class="details">{kind}</div>{"".join(answers)}{more}'
            f'<div class="total details">{counted(total, "vote")}</div></div>'
        )

    def todo(self, media: Tl) -> str:
        done = {one["id"] for one in media.get("completions", [])}
        items = [
            f'<div class="answer" dir="auto">{"☑" if one["id"] in done else "☐"} {rich(one["title"])}</div>'
            for one in media["todo"]["list"]
        ]
        return (
            f'<div class="media_poll"><div class="question bold" dir="auto">{rich(media["todo"]["title"])}</div>'
            f'<div class="details">Checklist</div>{"".join(items)}</div>'
        )

    def contact(self, media: Tl) -> str:
        name = " ".join(filter(None, (media["first_name"], media["last_name"])))
        number = media["phone_number"]
        digits = "".join(one for one in number if one in "+0123456789")
        href = f"tel:{digits}" if digits.strip("+") else ""
        return _entry(f"<bdi>{escaped(name) or 'Contact'}</bdi>", escaped(phone_number(number)), href, "media_contact")

    def place_on_map(self, media: Tl) -> str:
        geo = media["geo"]
        title = f'<bdi>{escaped(media["title"])}</bdi>' if media.get("title") else "Location"
        lines = [escaped(media["address"])] if media.get("address") else []
        if media["_"] == "messageMediaGeoLive":
            title = "Live location"
        href = ""
        if geo["_"] == "geoPoint" and all(type(geo[one]) in (int, float) for one in ("lat", "long")):
            place = f"{geo['lat']:.6f},{geo['long']:.6f}"
            lines.append(place)
            href = f"https://www.openstreetmap.org/?mlat={geo['lat']:.6f}&amp;mlon={geo['long']:.6f}"
        return _entry(title, ", ".join(lines) or "unknown place", href, "media_location")

    def game(self, media: Tl) -> str:
        game = media["game"]
        return _entry(f"Game: <bdi>{escaped(game['title'])}</bdi>", escaped(game["description"]), kind="media_game")

    def invoice(self, media: Tl) -> str:
        price = money(media["total_amount"], media["currency"])
        words = f"{escaped(media['description'])} · {escaped(price)}"
        return _entry(f"<bdi>{escaped(media['title'])}</bdi>", words, kind="media_invoice")

    def story(self, media: Tl) -> str:
        return _entry("Story", f"of {self.name(marked(media['peer']))}", kind="media_photo")

    def dice(self, media: Tl) -> str:
        return _entry(escaped(media["emoticon"]), f"rolled {media['value']}", kind="media_game")

    def giveaway(self, media: Tl) -> str:
        prize = f"{media['quantity']} prizes" if "quantity" in media else "Prizes"
        return _entry("Giveaway", f"{prize}, until {self.when(media['until_date'])}", kind="media_game")

    def giveaway_results(self, media: Tl) -> str:
        names = ", ".join(self.name(one) for one in media.get("winners", [])[:100])
        return _entry("Giveaway results", f"{counted(media['winners_count'], 'winner')}: {names}", kind="media_game")

    def paid(self, media: Tl) -> str:
        inner = [self.show(one["media"]) for one in media["extended_media"] if one["_"] == "messageExtendedMedia"]
        return _entry("Paid media", counted(media["stars_amount"], "star"), kind="media_invoice", after="".join(inner))

    def nothing(self, media: Tl) -> str:
        return ""

    def unsupported(self, media: Tl) -> str:
        return _entry("Unsupported", "Telegram did not send it in a form that tgbulk's version knows", kind="media_file")

    def stream(self, media: Tl) -> str:
        return _entry("Live stream", "", kind="media_call")


def rich(text: Tl) -> str:
    """A textWithEntities."""
    return html(text["text"], text["entities"])


def read_document(document: Tl) -> DocumentAttributes:
    """What the attributes say; sizes and duration are those of the last that has them
    (docs/spec/telegram-desktop-json.md 5.2)."""
    name = title = emoji = ""
    duration, width, height = 0.0, 0, 0
    for one in document["attributes"]:
        kind = one["_"]
        if kind == "documentAttributeFilename":
            name = one["file_name"]
        elif kind == "documentAttributeAudio":
            title = " - ".join(filter(None, (one.get("performer"), one.get("title"))))
            duration = one["duration"]
        elif kind in ("documentAttributeSticker", "documentAttributeCustomEmoji"):
            emoji = one["alt"]
        if kind == "documentAttributeVideo":
            duration = one["duration"]
        if "w" in one:
            width, height = one["w"], one["h"]
    return DocumentAttributes(category(document["attributes"]), name, title, emoji, _number(duration), width, height)


def duration_words(seconds: float) -> str:
    """00:05, 1:02:03"""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def size_words(size: int) -> str:
    """12.3 KB"""
    if size < 1000:
        return f"{size} B"
    amount, unit = size / 1024, "KB"
    for unit in ("KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1024
    return f"{amount:.1f} {unit}"


def _number(value: Any) -> float:
    """Doubles that JSON has no number for are strings in a line."""
    return float(value) if type(value) in (int, float) and 0 <= value < 1e9 else 0.0


def _status(duration: float, size: int) -> str:
    return ", ".join(filter(None, (duration_words(duration) if duration else "", size_words(size) if size else "")))


def _gone(media: Tl) -> str:
    return "self-destructing, cannot be kept" if "ttl_seconds" in media else "no longer available"


def _entry(title: str, status: str, href: str = "", kind: str = "media_file", *, name: str = "", after: str = "") -> str:
    """A box with a title and a status, both HTML; a link where there is an address."""
    body = (
        f'<div class="fill pull_left"></div><div class="body"><div class="title bold" dir="auto">{title}</div>'
        f'<div class="status details" dir="auto">{status}</div></div>'
    )
    if not href:
        return f'<div class="media clearfix pull_left {kind}">{body}</div>{after}'
    download = f' download="{quoted(name)}"' if name else ""
    return (
        f'<a class="media clearfix pull_left block_link {kind}" href="{href}"{download} rel="noreferrer noopener nofollow">'
        f"{body}</a>{after}"
    )


#: A photo's box up to its status.
_NO_PHOTO = _entry("Photo", "", kind="media_photo").removesuffix("</div></div></div>")


def _box(width: int, height: int, longest: int) -> str:
    """Width and height for a picture of this size, at most so many pixels; nothing where the size is not known."""
    if not (0 < width < 1 << 20 and 0 < height < 1 << 20):
        return ""
    scale = min(1.0, longest / max(width, height))
    return f' width="{max(1, round(width * scale))}" height="{max(1, round(height * scale))}"'


def _picture(kind: str, href: str, source: str, width: int, height: int, words: str, spoiler: Any) -> str:
    box = _box(width, height, _LARGEST_STICKER if kind == "sticker" else _LARGEST)
    hidden = " spoiler" if spoiler else ""
    return (
        f'<a class="{kind}_wrap clearfix pull_left{hidden}" href="{href}"><img class="{kind}" src="{source}"'
        f' alt="{quoted(words)}"{box} loading="lazy" decoding="async"></a>'
    )


def _video(about: DocumentAttributes, href: str, poster: str, title: str, status: str, spoiler: Any) -> str:
    """A player, and Telegram Desktop's mark of it behind a link to the file."""
    box = _box(about.width, about.height, _LARGEST_STICKER if about.kind == "sticker" else _LARGEST)
    shown = f' poster="{poster}"' if poster else ""
    looped = " loop muted" if about.kind in ("animation", "sticker") else ""
    css = {"round": "round_video", "animation": "animated", "sticker": "sticker"}.get(about.kind, "video_file")
    hidden = " spoiler" if spoiler else ""
    return (
        f'<video class="{css}{hidden}" controls preload="none"{looped}{shown}{box} src="{href}"></video>'
        f'<div class="details"><a href="{href}">{title}</a> {status}</div>'
    )


_SHOWN: dict[str, Callable[[MediaView, Tl], str]] = {
    "messageMediaPhoto": MediaView.photo,
    "messageMediaDocument": MediaView.document,
    "messageMediaWebPage": MediaView.web_page,
    "messageMediaPoll": MediaView.poll,
    "messageMediaToDo": MediaView.todo,
    "messageMediaContact": MediaView.contact,
    "messageMediaGeo": MediaView.place_on_map,
    "messageMediaGeoLive": MediaView.place_on_map,
    "messageMediaVenue": MediaView.place_on_map,
    "messageMediaGame": MediaView.game,
    "messageMediaInvoice": MediaView.invoice,
    "messageMediaStory": MediaView.story,
    "messageMediaDice": MediaView.dice,
    "messageMediaGiveaway": MediaView.giveaway,
    "messageMediaGiveawayResults": MediaView.giveaway_results,
    "messageMediaPaidMedia": MediaView.paid,
    "messageMediaVideoStream": MediaView.stream,
    "messageMediaUnsupported": MediaView.unsupported,
    "messageMediaEmpty": MediaView.nothing,
}
