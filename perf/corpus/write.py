"""Archives of one chat of any size, written by the same parts that a run writes with, and without any server.

`python -m tgbulk.perf.corpus.write FOLDER plain|heavy MESSAGES` makes one. Plain: texts of a supergroup, replies, some
entities and reactions, near 370 bytes a line. Heavy: posts of a channel with entities, photos, files, web pages, buttons
and reactions, near 1,750 bytes a line.
"""
from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import COMPLETE, ChatRow
from tgbulk.stages.telegram.chat import CHANNEL_MARK, ChatRecord
from tgbulk.stages.telegram.peer import PeerLine, digest

Tl = dict[str, Any]

KINDS = ("plain", "heavy")
CHANNEL = 1_234_567_890
MARKED_ID = -(CHANNEL_MARK + CHANNEL)
#: Who writes; as many as a lively group has.
USERS = 200
#: Messages after which the content repeats, with other ids, dates and words at its begin.
TEMPLATES = 997
#: Seconds between two messages.
STEP = 97
FIRST = 1_500_000_000
#: Messages that are appended together.
BLOCK = 10_000
#: Numbers that stand for what differs in each message; nothing else in a template has their digits.
_ID, _REPLY, _DATE = 7_170_717_071, 7_270_727_072, 7_370_737_073
_EDITED = 1_760_000_000
_PROSE = (
    "the and that for with this have from they will what about when make can like time just know take people into year "
    "good some could them see other than then now look only come think also back after use two how our work first well "
    "ещё один день хорошо спасибо привет новости сегодня été größer"
)
#: Few texts have characters that mean something in HTML; every second long one has an emoji.
_WORDS = [*_PROSE.split() * 4, "🙂", "✅", "«так»", "it's", "100%", "R&D"]
_EMOTICONS = ("👍", "❤", "🔥", "😂", "🎉")


def write_archive(root: Path, kind: str, count: int) -> None:
    """An archive with one chat that is complete. OSError."""
    archive = Archive(root)
    lock = archive.open()
    journal = Journal(archive.journal, lambda record: None)
    row = ChatRow(MARKED_ID, 1)
    chat = ChatFile(archive, row, lambda: None)
    try:
        templates = _templates(kind)
        peers = [_peer(one) for one in _peers(kind)]
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            lines = b"".join(_line(templates[number % TEMPLATES], number + 1) for number in range(start, stop))
            services = sum(b"messageService" in templates[number % TEMPLATES][0] for number in range(start, stop))
            chat.add(1, IdRange(start + 1, stop + 1), lines, peers if not start else [], stop - start, services, [])
        type = "supergroup" if kind == "plain" else "channel"
        record = ChatRecord(MARKED_ID, type, f"Corpus {kind}", 1, usernames=["sim_corpus"], total=count, asked=[1, 0],
                            state=COMPLETE)
        chat.end(record)
        journal.append([chat.prepare()])
        chat.committed()
        chat.describe(record)
    finally:
        chat.close()
        journal.close()
        lock.release()


def _line(template: tuple[bytes, ...], number: int) -> bytes:
    """The template's pieces around id, reply where there is one, and date."""
    date = FIRST + number * STEP
    if len(template) == 3:
        return b"%b%d%b%d%b" % (template[0], number, template[1], date, template[2])
    before, middle, late, end = template
    return b"%b%d%b%d%b%d%b" % (before, number, middle, max(1, number - 1 - number % 50), late, date, end)


def _templates(kind: str) -> list[tuple[bytes, ...]]:
    random, make = Random(f"corpus {kind}"), _MAKE[kind]
    found = []
    for _ in range(TEMPLATES):
        line = orjson.dumps(make(random)) + b"\n"
        pieces = []
        for hole in (_ID, _REPLY, _DATE):
            before, found_it, behind = line.partition(b"%d" % hole)
            if found_it:
                pieces.append(before)
                line = behind
        found.append((*pieces, line))
    return found


def _plain(random: Random) -> Tl:
    head = {"from_id": {"_": "peerUser", "user_id": 1000 + random.randrange(USERS)},
            "peer_id": {"_": "peerChannel", "channel_id": CHANNEL}}
    if random.random() < 0.02:
        action = random.choice([
            {"_": "messageActionChatAddUser", "users": [1000 + random.randrange(USERS)]},
            {"_": "messageActionChatJoinedByLink", "inviter_id": 1000 + random.randrange(USERS)},
            {"_": "messageActionChatEditTitle", "title": _prose(random, 3)},
        ])
        return {"_": "messageService", "id": _ID} | head | {"date": _DATE, "action": action}
    text = _prose(random, 4 + int(random.expovariate(1 / 14)))
    reply = {"reply_to": {"_": "messageReplyHeader", "reply_to_msg_id": _REPLY}} if random.random() < 0.35 else {}
    message: Tl = {"_": "message", "id": _ID} | head | reply | {"date": _DATE, "message": text}
    if random.random() < 0.05:
        message["media"] = _photo(random)
    if random.random() < 0.15:
        message["entities"] = _entities(random, text, 1)
    if random.random() < 0.1:
        message["edit_date"] = _EDITED
    if random.random() < 0.15:
        message["reactions"] = _reactions(random)
    return message


def _heavy(random: Random) -> Tl:
    text = _prose(random, 30 + int(random.expovariate(1 / 45)))
    message: Tl = {"_": "message", "post": True, "id": _ID, "peer_id": {"_": "peerChannel", "channel_id": CHANNEL}}
    if random.random() < 0.25:
        source = {"_": "peerChannel", "channel_id": CHANNEL + 1 + random.randrange(50)}
        message["fwd_from"] = {"_": "messageFwdHeader", "from_id": source, "date": _EDITED, "channel_post": 77}
    if random.random() < 0.15:
        message["reply_to"] = {"_": "messageReplyHeader", "reply_to_msg_id": _REPLY}
    message |= {"date": _DATE, "message": text}
    drawn = random.random()
    if drawn < 0.5:
        message["media"] = _photo(random)
    elif drawn < 0.7:
        message["media"] = _video(random)
    elif drawn < 0.9:
        message["media"] = _web_page(random)
    if random.random() < 0.2:
        message["reply_markup"] = {"_": "replyInlineMarkup", "rows": [
            {"_": "keyboardButtonRow", "buttons": [
                {"_": "keyboardInlineButton", "text": _prose(random, 2),
                 "type": {"_": "inlineButtonTypeUrl", "url": f"https://example.org/{random.randrange(10**6)}"}}
                for _ in range(2)]}]}
    message["entities"] = _entities(random, text, random.choice([2, 3, 4, 6]))
    message |= {"views": random.randrange(10**5), "forwards": random.randrange(500)}
    message["replies"] = {"_": "messageReplies", "comments": True, "replies": random.randrange(80), "replies_pts": 5,
                          "channel_id": CHANNEL + 49}
    if random.random() < 0.4:
        message["edit_date"] = _EDITED
    if random.random() < 0.2:
        message["post_author"] = _prose(random, 2)
    message["reactions"] = _reactions(random)
    return message


_MAKE: dict[str, Callable[[Random], Tl]] = {"plain": _plain, "heavy": _heavy}


def _prose(random: Random, words: int) -> str:
    return " ".join(random.choices(_WORDS, k=words))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _entities(random: Random, text: str, most: int) -> list[Tl]:
    """Whole words, apart from each other."""
    words = text.split(" ")
    places = sorted(random.sample(range(len(words)), min(most, len(words))))
    found = []
    for place in places:
        offset, length = _units(" ".join(words[:place])) + (place > 0), _units(words[place])
        kind = random.choice(("Bold", "Italic", "TextUrl", "Code", "Url", "Hashtag", "Mention", "MentionName"))
        one: Tl = {"_": f"messageEntity{kind}", "offset": offset, "length": length}
        if kind == "TextUrl":
            one["url"] = f"https://example.org/{random.randrange(10**6)}?a=1&b=2"
        if kind == "MentionName":
            one["user_id"] = 1000 + random.randrange(USERS)
        found.append(one)
    return found


def _reactions(random: Random) -> Tl:
    counts = [
        {"_": "reactionCount", "reaction": {"_": "reactionEmoji", "emoticon": emoticon}, "count": random.randrange(1, 40)}
        for emoticon in random.sample(_EMOTICONS, random.choice([1, 2, 3]))
    ]
    return {"_": "messageReactions", "can_see_list": True, "results": counts}


def _stripped(random: Random) -> Tl:
    return {"_": "photoStrippedSize", "type": "i", "bytes": b64encode(random.randbytes(180)).decode()}


def _photo(random: Random) -> Tl:
    sizes: list[Tl] = [_stripped(random)]
    for letter, width, height in (("m", 320, 240), ("x", 800, 600), ("y", 1280, 960)):
        sizes.append({"_": "photoSize", "type": letter, "w": width, "h": height, "size": width * height // 9})
    photo = {"_": "photo", "id": random.getrandbits(62), "access_hash": random.getrandbits(62), "date": FIRST,
             "sizes": sizes, "dc_id": 2}
    return {"_": "messageMediaPhoto", "photo": photo}


def _video(random: Random) -> Tl:
    attributes = [
        {"_": "documentAttributeVideo", "supports_streaming": True, "duration": 12.5, "w": 1280, "h": 720},
        {"_": "documentAttributeFilename", "file_name": f"video & {random.randrange(10**6)}.mp4"},
    ]
    thumbs = [_stripped(random), {"_": "photoSize", "type": "m", "w": 320, "h": 180, "size": 9_000}]
    document = {
        "_": "document", "id": random.getrandbits(62), "access_hash": random.getrandbits(62), "date": FIRST,
        "mime_type": "video/mp4", "size": random.randrange(10**5, 10**7), "thumbs": thumbs, "dc_id": 2,
        "attributes": attributes,
    }
    return {"_": "messageMediaDocument", "video": True, "document": document}


def _web_page(random: Random) -> Tl:
    where = f"example.org/{random.randrange(10**8)}"
    return {"_": "messageMediaWebPage", "webpage": {
        "_": "webPage", "id": random.getrandbits(62), "url": f"https://{where}", "display_url": where, "hash": 0,
        "type": "article", "site_name": "Example", "title": _prose(random, 5), "description": _prose(random, 25),
    }}


def _peers(kind: str) -> Iterator[Tl]:
    about = {"broadcast": True} if kind == "heavy" else {"megagroup": True}
    yield {"_": "channel", "id": CHANNEL, "access_hash": 1, "title": f"Corpus {kind}", "username": "sim_corpus"} | about
    for number in range(1, 51):
        source = {"_": "channel", "broadcast": True, "id": CHANNEL + number, "access_hash": 1}
        yield source | {"title": f"Source {number} & Co."}
    for number in range(USERS):
        yield {"_": "user", "id": 1000 + number, "access_hash": 1, "first_name": f"Имя{number}", "last_name": "O'Name"}


def _peer(value: Tl) -> PeerLine:
    number = value["id"] if value["_"] == "user" else -(CHANNEL_MARK + value["id"])
    return PeerLine(number, False, digest(value), orjson.dumps(value) + b"\n")


if __name__ == "__main__":
    write_archive(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
