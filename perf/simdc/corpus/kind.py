"""A supergroup with a message of every kind that layer 229 can carry."""
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from random import Random
from typing import Any

from telethon.tl import TLObject, types

from tgbulk.perf.simdc.corpus.corpus import EPOCH, Corpus
from tgbulk.perf.simdc.corpus.mention import marked
from tgbulk.perf.simdc.corpus.message import EVERYDAY_BYTES, Message, MessageEmpty, MessageService, document, photo
from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.schema import Field, Path, constructor, members, reachable
from tgbulk.perf.simdc.corpus.text import phrase
from tgbulk.perf.simdc.corpus.wire import encode
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import CHANNEL_MARK

KINDS = 1_500_000_011
ROOTS = (Message, MessageService, MessageEmpty)
#: Of every class of these types there is one message with nothing optional and one with everything.
THOROUGH = ((Message, "media", types.MessageMediaEmpty), (Message, "entities", types.MessageEntityBold),
            (Message, "reply_markup", types.ReplyKeyboardHide), (Message, "reply_to", types.MessageReplyHeader),
            (MessageService, "action", types.MessageActionEmpty))


@cache
def client_only() -> frozenset[type]:
    """Constructors that only clients send although their type is in a message, as inputMessageEntityMentionName.

    They are the Input ones of a type that has others; what is found only within them is out of reach too.
    """
    found = reachable(ROOTS)
    return frozenset(c for c in found if _is_input(c) and not all(map(_is_input, members(c))))


@cache
def targets() -> dict[type, tuple[type, Path]]:
    """Every constructor that a server can send within a message, and the shortest way there."""
    return reachable(ROOTS, client_only())


def assemble(corpus: Corpus) -> None:
    """Add the group to the world and to the accounts' dialog lists."""
    history = StoredHistory()
    for number, message in enumerate(_messages(corpus), 1):
        message.id = number
        message.peer_id = types.PeerChannel(KINDS)
        if not isinstance(message, MessageEmpty):
            message.date = datetime.fromtimestamp(EPOCH + number * 7_000, UTC)
            message.out = message.post = False
        history.append(message, encode(message))
    kinds = corpus.channel(KINDS, "Every kind", history, megagroup=True, username="sim_kinds")
    corpus.join(kinds, *corpus.world.accounts)


def _messages(corpus: Corpus) -> Iterator[Any]:
    covered: set[type] = set()
    for message in _everything(corpus):
        covered.update(_classes(message))
        yield message
    sampler = _sampler(corpus, 0.4)
    for cls, (root, path) in targets().items():
        if cls not in covered:
            message = sampler.make(root, path)
            covered.update(_classes(message))
            yield message


def _everything(corpus: Corpus) -> Iterator[Any]:
    for item in corpus.shelf.photos[:10]:
        yield Message(0, None, 0, "", media=photo(item))
    for thing in corpus.shelf.documents[:100]:
        yield Message(0, None, 0, "", media=document(thing))
    for optional in (0.0, 1.0):
        sampler = _sampler(corpus, optional)
        plain = _sampler(corpus, 0.0)
        for root, attribute, kind in THOROUGH:
            for cls in sorted(set(members(kind)) - client_only(), key=lambda c: c.__name__):
                message = plain.make(root, ((attribute, cls),))
                if attribute != "entities":
                    setattr(message, attribute, sampler.make(cls))
                yield message


def _sampler(corpus: Corpus, optional: float) -> Sampler:
    """A sampler whose peers and media are the world's."""
    random = corpus.random(f"kinds:{optional}")
    world, photos = corpus.world, cycle(corpus.shelf.photos[:10])
    documents = cycle([d for d in corpus.shelf.documents if d.size < EVERYDAY_BYTES])
    channels = [-m - CHANNEL_MARK for m in world.chats if m < -CHANNEL_MARK]
    chats = [-m for m in world.chats if m > -CHANNEL_MARK]
    users = corpus.cast.people[:20]

    def value(cls: type, field: Field) -> Any:
        pool = {1: users, -CHANNEL_MARK - 1: channels, -1: chats}.get(marked(field.attribute, 1) or 0)
        if pool is not None and field.kind == "long":
            return random.sample(pool, min(2, len(pool))) if field.vector else random.choice(pool)
        if field.kind == "date":
            day = datetime.fromtimestamp(EPOCH + random.randrange(10**8), UTC)
            return [day] if field.vector else day
        if field.attribute.endswith("msg_id") or (field.attribute == "id" and field.kind == "int"):
            return random.randint(1, 500)
        return FILE_REFERENCE_PLACEHOLDER if field.attribute == "file_reference" else _text(random, cls, field)

    return Sampler(random, optional=optional, depth=5, budget=40, falses=True, banned=client_only(), values=value,
                   objects={types.Photo: lambda: next(photos), types.Document: lambda: next(documents)})


def _text(random: Random, cls: type, field: Field) -> str | None:
    """Sensible text for the message itself; elsewhere anything goes."""
    return phrase(random, 15) if cls is Message and field.attribute == "message" else None


def _classes(value: Any) -> Iterator[type]:
    """The class of every object within an object."""
    if isinstance(value, TLObject):
        yield type(value)
        for field in constructor(type(value)).fields:
            if field.kind == "object":
                held = getattr(value, field.attribute)
                for item in held if isinstance(held, list) else [held]:
                    yield from _classes(item)


def _is_input(cls: type) -> bool:
    return cls.__name__.startswith("Input")
