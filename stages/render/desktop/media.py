"""Media of a message: the members between its origin and its text; docs/spec/telegram-desktop-json.md 5."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tgbulk.stages.render.desktop.file import COUNT, VCARD, Document, document_members, mark, photo_members
from tgbulk.stages.render.desktop.layout import (
    BOOL,
    MESSAGE,
    NULL,
    array_of,
    decimal,
    members,
    number,
    object_of,
    quote,
    some,
)
from tgbulk.stages.render.desktop.names import Names
from tgbulk.stages.render.desktop.text import Texts
from tgbulk.stages.render.money import phone_number

Members = Iterator[tuple[bytes, bytes]]
GAME_LINK = "https://t.me/{0}?game={1}"


@dataclass(slots=True)
class DesktopMedium:
    """The medium of one message with what it takes to write it."""

    media: dict[str, Any]
    message: dict[str, Any]
    #: marked id of who sent it
    sender: int
    #: a local time as names of files have it, and as JSON
    stamp: Callable[[int], str]
    date: Callable[[int], bytes]
    names: Names
    texts: Texts
    #: of a message in the finished file, for the JSON within strings
    level: int

    def __getitem__(self, name: str) -> Any:
        return self.media[name]


def _nothing(m: DesktopMedium) -> Members:
    return iter(())


def _end(m: DesktopMedium) -> Members:
    yield b"media_spoiler", BOOL[True] if "spoiler" in m.media else b""
    yield b"self_destruct_period_seconds", number(m["ttl_seconds"]) if m.media.get("ttl_seconds") else b""


def _photo(m: DesktopMedium) -> Members:
    yield from photo_members(m.media.get("photo"), m.stamp(m.message["date"]), "ttl_seconds" in m.media)
    yield from _end(m)


def _document(m: DesktopMedium) -> Members:
    yield from document_members(m.media, m.stamp(m.message["date"]), "out" in m.message)
    yield from _end(m)


def _contact(m: DesktopMedium) -> Members:
    yield b"contact_information", object_of((
        (b"first_name", quote(m["first_name"])),
        (b"last_name", quote(m["last_name"])),
        (b"phone_number", quote(phone_number(m["phone_number"]))),
    ), MESSAGE)
    if m["vcard"]:
        yield b"contact_vcard", mark(VCARD, m["vcard"])
        yield b"contact_vcard_file_size", number(len(m["vcard"].encode()))


def _place(geo: dict[str, Any]) -> bytes:
    """The value of `location_information`; null where there is no such place."""
    if geo["_"] != "geoPoint":
        return NULL
    place = float(geo["lat"]), float(geo["long"])
    if not all(map(math.isfinite, place)):
        return NULL
    return object_of(((b"latitude", decimal(place[0])), (b"longitude", decimal(place[1]))), MESSAGE)


def _geo(m: DesktopMedium) -> Members:
    yield b"location_information", _place(m["geo"])
    yield b"live_location_period_seconds", number(m["period"]) if m.media.get("period") else b""


def _venue(m: DesktopMedium) -> Members:
    place = _place(m["geo"])
    yield b"place_name", some(m["title"])
    yield b"address", some(m["address"])
    yield b"location_information", b"" if place == NULL else place


def _game(m: DesktopMedium) -> Members:
    game = m["game"]
    yield b"game_title", some(game["title"])
    yield b"game_description", some(game["description"])
    bot = m.message.get("via_bot_id") or m.message.get("fwd_from", {}).get("from_id", {}).get("user_id") or m.sender
    username = m.names.username(bot) if m.names.is_bot(bot) else ""
    yield b"game_link", quote(GAME_LINK.format(username, game["short_name"])) if username and game["short_name"] else b""


def _invoice(m: DesktopMedium) -> Members:
    told = object_of((
        (b"title", quote(m["title"])),
        (b"description", quote(m["description"])),
        (b"amount", number(m["total_amount"])),
        (b"currency", quote(m["currency"])),
        (b"receipt_message_id", number(m["receipt_msg_id"]) if m.media.get("receipt_msg_id") else b""),
    ), m.level)
    yield b"invoice_information", quote(told.decode())


def _poll(m: DesktopMedium) -> Members:
    poll, results = m["poll"], m["results"]
    votes = {one["option"]: one for one in results.get("results", [])}
    answers = []
    for answer in poll["answers"]:
        vote = votes.get(answer["option"], {})
        answers.append(object_of((
            (b"text", m.texts.value(answer["text"], MESSAGE + 2)),
            (b"voters", number(vote.get("voters", 0))),
            (b"chosen", BOOL["chosen" in vote]),
        ), MESSAGE + 2))
    yield b"poll", object_of((
        (b"question", m.texts.value(poll["question"], MESSAGE)),
        (b"closed", BOOL["closed" in poll]),
        (b"total_voters", number(results.get("total_voters", 0))),
        (b"answers", array_of(answers, MESSAGE + 1)),
    ), MESSAGE)


def _todo(m: DesktopMedium) -> Members:
    todo = m["todo"]
    answers = [
        object_of(((b"text", m.texts.value(one["title"], MESSAGE + 2)), (b"id", number(one["id"]))), MESSAGE + 2)
        for one in todo["list"]
    ]
    yield b"todo_list", object_of((
        (b"title", m.texts.value(todo["title"], MESSAGE)),
        (b"others_can_append", BOOL["others_can_append" in todo]),
        (b"others_can_complete", BOOL["others_can_complete" in todo]),
        (b"answers", array_of(answers, MESSAGE + 1)),
    ), MESSAGE)


def _giveaway(m: DesktopMedium) -> Members:
    yield b"giveaway_information", object_of((
        (b"quantity", number(m["quantity"])),
        (b"months", number(m.media.get("months", 0))),
        (b"until_date", m.date(m["until_date"])),
        (b"channels", array_of([number(one) for one in m["channels"]], MESSAGE + 1)),
        (b"countries", array_of([quote(one) for one in m.media.get("countries_iso2", [])], MESSAGE + 1)),
        (b"additional_prize", quote(m.media.get("prize_description", ""))),
        (b"stars", number(m.media.get("stars", 0))),
        (b"is_only_new_subscribers", BOOL["only_new_subscribers" in m.media]),
    ), MESSAGE)


def _giveaway_results(m: DesktopMedium) -> Members:
    yield b"giveaway_results", object_of((
        (b"channel", number(m["channel_id"])),
        (b"winners", array_of([number(one) for one in m["winners"]], MESSAGE + 1)),
        (b"additional_prize", quote(m.media.get("prize_description", ""))),
        (b"until_date", m.date(m["until_date"])),
        (b"launch_message_id", number(m["launch_msg_id"])),
        (b"additional_peers_count", number(m.media.get("additional_peers_count", 0))),
        (b"winners_count", number(m["winners_count"])),
        (b"unclaimed_count", number(m["unclaimed_count"])),
        (b"months", number(m.media.get("months", 0))),
        (b"stars", number(m.media.get("stars", 0))),
        (b"is_refunded", BOOL["refunded" in m.media]),
        (b"is_only_new_subscribers", BOOL["only_new_subscribers" in m.media]),
    ), MESSAGE)


def _paid(m: DesktopMedium) -> Members:
    """What was paid for is not written, and its files count all the same."""
    counted = [_counter(one["media"]) for one in m["extended_media"] if "media" in one]
    marks = b"".join([mark(COUNT, word) for word in counted if word])
    yield b"paid_stars_amount", number(m["stars_amount"]) + marks


def _counter(media: dict[str, Any]) -> str:
    """Which counter of names goes up by this medium."""
    if media["_"] == "messageMediaPhoto" and "photo" in media:
        return "photo"
    document = media.get("document", {"_": ""})
    if document["_"] != "document":
        return "contact" if media.get("vcard") else ""
    about = Document.of(document)
    return "" if about.name else about.nameless()[0]


#: Constructor without its prefix -> its members.
MEDIA: dict[str, Callable[[DesktopMedium], Members]] = {
    "messageMediaEmpty": _nothing,
    "messageMediaPhoto": _photo,
    "messageMediaDocument": _document,
    "messageMediaGeo": _geo,
    "messageMediaGeoLive": _geo,
    "messageMediaContact": _contact,
    "messageMediaVenue": _venue,
    "messageMediaGame": _game,
    "messageMediaInvoice": _invoice,
    "messageMediaPoll": _poll,
    "messageMediaToDo": _todo,
    "messageMediaGiveaway": _giveaway,
    "messageMediaGiveawayResults": _giveaway_results,
    "messageMediaPaidMedia": _paid,
    "messageMediaWebPage": _nothing,
    "messageMediaDice": _nothing,
    "messageMediaStory": _nothing,
    "messageMediaVideoStream": _nothing,
}
#: Those of which nothing is told.
SILENT = frozenset(name for name, write in MEDIA.items() if write is _nothing)


def media_members(medium: DesktopMedium) -> bytes:
    return members(MEDIA[medium["_"]](medium))
