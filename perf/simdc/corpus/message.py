"""What people write: text with entities, photos, documents, web pages, polls, reactions."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.corpus import Corpus
from tgbulk.perf.simdc.corpus.schema import plain
from tgbulk.perf.simdc.corpus.text import phrase, units

Message, MessageService, MessageEmpty = map(plain, (types.Message, types.MessageService, types.MessageEmpty))

#: Documents larger than this are in a few chosen messages only, so that downloading a corpus stays quick.
EVERYDAY_BYTES = 100_000

SPANS: tuple[Callable[[int, int], Any], ...] = (
    types.MessageEntityBold,
    types.MessageEntityItalic,
    types.MessageEntityCode,
    types.MessageEntityStrike,
    types.MessageEntityUnderline,
    types.MessageEntitySpoiler,
    types.MessageEntityUrl,
    types.MessageEntityHashtag,
    lambda offset, length: types.MessageEntityTextUrl(offset, length, "https://example.com/a?b=1&c=ü"),
    lambda offset, length: types.MessageEntityPre(offset, length, "python"),
    lambda offset, length: types.MessageEntityBlockquote(offset, length, collapsed=True),
)


def body(corpus: Corpus, random: Random) -> dict[str, Any]:
    """The fields of an everyday message that do not depend on its chat."""
    chance = random.random()
    fields: dict[str, Any] = {"message": phrase(random, 25)}
    if chance < 0.25:
        fields["entities"] = entities(random, fields["message"])
    elif chance < 0.29:
        fields |= {"message": phrase(random, 4), "media": photo(random.choice(corpus.shelf.photos))}
    elif chance < 0.33:
        everyday = [d for d in corpus.shelf.documents if d.size < EVERYDAY_BYTES]
        fields |= {"message": "", "media": document(random.choice(everyday))}
    elif chance < 0.36:
        fields["media"] = web_page(corpus, random)
    elif chance < 0.37:
        fields |= {"message": "", "media": poll(random)}
    elif chance < 0.38:
        fields |= {"message": "", "media": types.MessageMediaGeo(types.GeoPoint(13.4, -52.5, 7, accuracy_radius=20))}
    if random.random() < 0.2:
        fields["reactions"] = reactions(corpus, random)
    if random.random() < 0.05:
        fields["edit_date"] = 1_740_000_000 + random.randrange(10_000_000)
    return fields


def entities(random: Random, text: str) -> list[Any]:
    """One to three entities in order, never across half a character."""
    ends = units(text)
    cuts = sorted(random.sample(ends, min(len(ends), 2 * random.randint(1, 3)) // 2 * 2))
    return [random.choice(SPANS)(start, stop - start) for start, stop in zip(cuts[::2], cuts[1::2], strict=True)]


def photo(item: types.Photo, **fields: Any) -> types.MessageMediaPhoto:
    """The photo as the medium of a message."""
    return types.MessageMediaPhoto(photo=item, **fields)


def document(item: types.Document, **fields: Any) -> types.MessageMediaDocument:
    """The document as the medium of a message, flagged as Telegram does."""
    video = next((a for a in item.attributes if isinstance(a, types.DocumentAttributeVideo)), None)
    voice = any(isinstance(a, types.DocumentAttributeAudio) and a.voice for a in item.attributes)
    return types.MessageMediaDocument(
        document=item, video=video is not None, round=bool(video and video.round_message), voice=voice, **fields)


def web_page(corpus: Corpus, random: Random) -> types.MessageMediaWebPage:
    """A link's preview, half of them with a picture."""
    url = f"https://example.com/{random.randrange(10_000)}"
    picture = random.choice(corpus.shelf.photos) if random.random() < 0.5 else None
    return types.MessageMediaWebPage(types.WebPage(
        random.getrandbits(62), url, url.removeprefix("https://"), 0, type="article", site_name="Example",
        title=phrase(random, 5), description=phrase(random, 20), photo=picture))


def poll(random: Random) -> types.MessageMediaPoll:
    """A poll with two to four answers and its results."""
    options = [bytes([n]) for n in range(random.randint(2, 4))]
    answers = [types.PollAnswer(types.TextWithEntities(phrase(random, 3), []), option) for option in options]
    question = types.TextWithEntities(phrase(random, 6), [])
    voters = [types.PollAnswerVoters(option, voters=random.randrange(50), recent_voters=[]) for option in options]
    return types.MessageMediaPoll(
        types.Poll(random.getrandbits(62), question, answers, 0, public_voters=random.random() < 0.5),
        types.PollResults(results=voters, total_voters=sum(v.voters or 0 for v in voters)))


def reactions(corpus: Corpus, random: Random) -> types.MessageReactions:
    """Counts of some reactions and, at times, who reacted last."""
    chosen = random.sample("👍❤🔥🎉😢", random.randint(1, 3))
    counts = [types.ReactionCount(types.ReactionEmoji(e), random.randint(1, 99)) for e in chosen]
    recent = [types.MessagePeerReaction(types.PeerUser(random.choice(corpus.cast.people)), 1_740_000_000,
                                        types.ReactionEmoji(chosen[0]))] if random.random() < 0.3 else None
    return types.MessageReactions(counts, can_see_list=recent is not None, recent_reactions=recent)


def reply_to(random: Random, earlier: Sequence[int]) -> types.MessageReplyHeader | None:
    """Now and then a reply to one of the last twenty messages."""
    if not earlier or random.random() > 0.2:
        return None
    return types.MessageReplyHeader(reply_to_msg_id=random.choice(earlier[-20:]))
