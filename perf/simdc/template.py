"""Message bytes with holes: realistic supergroup messages, serialised once, for histories too long to store."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from struct import Struct
from typing import Any

from telethon.tl import types
from telethon.utils import get_peer

from tgbulk.perf.simdc.corpus.mention import mentioned
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER

#: Values that mark the holes; they are found again in the serialised bytes.
_ID = 0x1D1D_1D1D
_REPLY = 0x2E2E_2E2E
_DATE = 0x3D3D_3D3D
#: The part of every text that varies with the id: eight hexadecimal digits.
_TOKEN = "\x01" * 8
_pack = Struct("<I").pack

_PROSE = (
    "the and that for with this have from they will what about when make can like time just know take people into "
    "year good some could them see other than then now look only come its over think also back after use two how our "
    "work first well way even new want because any these give day most us ещё один день хорошо спасибо привет 🙂 ✅"
)
_WORDS = _PROSE.split()
_EMOTICONS = ("👍", "❤", "🔥", "😂", "🎉")
#: Shares of the mix, as measured pages have them (docs/spec/telethon-hooks.md 5).
SERVICE, ENTITIES, MEDIA, WEB_PAGE, REPLY, REACTIONS = 0.02, 0.25, 0.18, 0.08, 0.35, 0.30


@dataclass(frozen=True, slots=True)
class Template:
    """The fixed pieces around the holes: id, id replied to, date, token. Service messages have only id and date."""

    pieces: tuple[bytes, ...]
    #: joins pieces and what fills the holes; four times as fast as formatting bytes
    pack: Callable[..., bytes]
    #: how far back the message replied to is, 0 for no reply
    distance: int
    #: marked ids that the message names
    peers: frozenset[int]
    media: Any = None

    def fill(self, message_id: int, date: int) -> bytes:
        """The boxed message with this id and Unix time."""
        if self.distance:
            one, two, three, four, five = self.pieces
            reply = message_id - self.distance if message_id > self.distance else 1
            return self.pack(one, message_id, two, reply, three, date, four, _pack(message_id).hex().encode(), five)
        if len(self.pieces) == 3:
            one, two, three = self.pieces
            return self.pack(one, message_id, two, date, three)
        one, two, three, four = self.pieces
        return self.pack(one, message_id, two, date, three, _pack(message_id).hex().encode(), four)


def make_templates(random: Random, count: int, peer_id: int, users: Sequence[int]) -> list[Template]:
    """So many templates of messages in the chat with this marked id.

    About 35 different senders of `users` come in any 100 consecutive ones. In a private chat (`peer_id` above 0) the
    messages of anybody but the partner are outgoing.
    """
    made = []
    for place in range(count):
        sender = users[(place // 4 + random.randrange(10)) % len(users)]
        make = _service if random.random() < SERVICE else _message
        made.append(_template(make(random, peer_id, sender, users), random))
    return made


def _template(message: Any, random: Random) -> Template:
    data, pieces, layout = bytes(message), [], "<"
    for hole, code in ((_pack(_ID), "I"), (_pack(_REPLY), "I"), (_pack(_DATE), "I"), (_TOKEN.encode(), "8s")):
        if hole in data:
            piece, data = data.split(hole)
            pieces.append(piece)
            layout += f"{len(piece)}s{code}"
    pieces.append(data)
    media = getattr(message, "media", None)
    document = getattr(media, "photo", None) or getattr(media, "document", None)
    distance = random.randrange(1, 60) if message.reply_to is not None else 0
    pack = Struct(f"{layout}{len(data)}s").pack
    return Template(tuple(pieces), pack, distance, frozenset(mentioned(message)), document)


def _service(random: Random, peer_id: int, sender: int, users: Sequence[int]) -> types.MessageService:
    action = random.choice([
        types.MessageActionChatAddUser([random.choice(users)]),
        types.MessageActionChatJoinedByLink(sender),
        types.MessageActionChatEditTitle(" ".join(random.choices(_WORDS, k=3))),
    ])
    return types.MessageService(
        _ID, get_peer(peer_id), _date(), action=action, from_id=types.PeerUser(sender),
        out=(peer_id > 0 and sender != peer_id) or None,
    )


def _message(random: Random, peer_id: int, sender: int, users: Sequence[int]) -> types.Message:
    words = random.choices(_WORDS, k=min(150, 4 + int(random.expovariate(1 / 38))))
    text = f"{_TOKEN} {' '.join(words)}"
    replies = random.random() < REPLY
    return types.Message(
        _ID,
        get_peer(peer_id),
        _date(),
        text,
        out=(peer_id > 0 and sender != peer_id) or None,
        from_id=types.PeerUser(sender),
        reply_to=types.MessageReplyHeader(reply_to_msg_id=_REPLY) if replies else None,
        media=_media(random),
        entities=_entities(random, text, users) if random.random() < ENTITIES else None,
        reactions=_reactions(random) if random.random() < REACTIONS else None,
        edit_date=datetime.fromtimestamp(1_760_000_000, UTC) if random.random() < 0.05 else None,
    )


def _date() -> datetime:
    return datetime.fromtimestamp(_DATE, UTC)


def _entities(random: Random, text: str, users: Sequence[int]) -> list[Any]:
    start = len(_TOKEN) + 1
    length = min(8, len(text) - start)
    kinds = [
        types.MessageEntityBold(start, length),
        types.MessageEntityItalic(start, length),
        types.MessageEntityTextUrl(start, length, f"https://example.org/{random.randrange(10**6)}"),
        types.MessageEntityMentionName(start, length, random.choice(users)),
        types.MessageEntityCode(start, length),
    ]
    return random.sample(kinds, random.choice([1, 1, 2]))


def _reactions(random: Random) -> types.MessageReactions:
    counts = [
        types.ReactionCount(types.ReactionEmoji(emoticon), random.randrange(1, 40))
        for emoticon in random.sample(_EMOTICONS, random.choice([1, 2, 3]))
    ]
    return types.MessageReactions(counts, can_see_list=True)


def _media(random: Random) -> Any:
    drawn = random.random()
    if drawn < MEDIA * 0.7:
        return types.MessageMediaPhoto(photo=_photo(random))
    if drawn < MEDIA:
        return types.MessageMediaDocument(document=_video(random))
    return types.MessageMediaWebPage(_web_page(random)) if drawn < MEDIA + WEB_PAGE else None


def _photo(random: Random) -> types.Photo:
    sizes = [types.PhotoSize("m", 320, 240, 17_000), types.PhotoSize("x", 800, 600, 90_000)]
    thumb = types.PhotoStrippedSize("i", random.randbytes(40))
    return types.Photo(
        random.getrandbits(62), MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, _fixed(random), [thumb, *sizes], 2
    )


def _video(random: Random) -> types.Document:
    attributes = [
        types.DocumentAttributeVideo(random.randrange(3, 90) + 0.5, 1280, 720, supports_streaming=True),
        types.DocumentAttributeFilename(f"video_{random.randrange(10**6)}.mp4"),
    ]
    return types.Document(
        random.getrandbits(62), MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, _fixed(random), "video/mp4",
        random.randrange(10**5, 10**7), 2, attributes, thumbs=[types.PhotoStrippedSize("i", random.randbytes(40))],
    )


def _web_page(random: Random) -> types.WebPage:
    where = f"example.org/{random.randrange(10**8)}"
    return types.WebPage(
        random.getrandbits(62), f"https://{where}", where, 0, type="article", site_name="Example",
        title=" ".join(random.choices(_WORDS, k=5)), description=" ".join(random.choices(_WORDS, k=25)),
    )


def _fixed(random: Random) -> datetime:
    return datetime.fromtimestamp(random.randrange(1_500_000_000, 1_700_000_000), UTC)
