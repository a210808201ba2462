"""What an account has in its own id space: private chats, bots, Saved Messages and basic groups."""
from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.channel import BROADCAST
from tgbulk.perf.simdc.corpus.corpus import DAY, EPOCH, Corpus, peer_of
from tgbulk.perf.simdc.corpus.letter import Letter, chatter, deliver
from tgbulk.perf.simdc.corpus.message import document, photo, reactions
from tgbulk.perf.simdc.corpus.person import HIDDEN, TELEGRAM
from tgbulk.perf.simdc.corpus.stock import video, voice
from tgbulk.perf.simdc.corpus.text import phrase
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account

YEAR = 365 * DAY
#: Messages of the longest private chat: more than three pages.
LONG = 380
#: Chats with a message or three, so that the first account's dialogs fill more than one page.
FILLERS = 95
#: The first account's group that became a supergroup, and that supergroup's bare id.
MIGRATED, UPGRADED = 300_000_001, 1_500_000_002
LIVING = 4_500_000_001


@dataclass(slots=True)
class Delivery:
    """One account's conversations on their way to its histories."""

    corpus: Corpus
    account: Account
    random: Random
    conversations: dict[int, list[Letter]]

    def chat(self, marked_id: int, count: int, *, senders: tuple[int, ...] = (), **dialog: Any) -> list[Letter]:
        """A conversation of so many everyday letters, and its dialog."""
        people = senders or (self.account.user_id, marked_id)
        letters = chatter(self.corpus, self.random, people, count, EPOCH, 4 * YEAR)
        return self.put(marked_id, letters, **dialog)

    def put(self, marked_id: int, letters: list[Letter], **dialog: Any) -> list[Letter]:
        """A ready conversation, and its dialog."""
        self.conversations[marked_id] = letters
        self.corpus.join(marked_id, self.account, **dialog)
        return letters


def settle(corpus: Corpus) -> None:
    """Fill the own id space of every account; call it once all accounts and the cast are in the world."""
    accounts = corpus.world.accounts
    members = [a.user_id for a in accounts] + corpus.cast.people[:6]
    corpus.basic(LIVING, "Kitchen & Garden 🍅", len(members))
    group = _group(corpus, "living", members, 150)
    mirrored = chatter(corpus, corpus.random("mirrored"), [a.user_id for a in accounts[:2]], 30, EPOCH, YEAR)
    for account in accounts:
        delivery = Delivery(corpus, account, corpus.random(f"private:{account.index}"), {})
        delivery.put(-LIVING, group)
        if account.index < 2 and len(accounts) > 1:
            delivery.put(accounts[1 - account.index].user_id, mirrored)
        if account.index == 0:
            _first(delivery)
        _common(delivery)
        deliver(account, delivery.conversations, delivery.random)


def _common(delivery: Delivery) -> None:
    """What every account has."""
    people = delivery.corpus.cast.people
    friend = people[10 + delivery.account.index % 10]
    delivery.account.contacts |= {friend, people[0], people[1]}
    if delivery.account.index:
        delivery.chat(friend, 25)
    delivery.put(delivery.account.user_id, _saved(delivery), pinned=True)
    delivery.put(TELEGRAM, [Letter(EPOCH + n * YEAR, TELEGRAM, {"message": f"Login code: {22222 + n}. Do not share it."})
                        for n in range(3)])


def _first(delivery: Delivery) -> None:
    """What only the first account has."""
    corpus, account, cast = delivery.corpus, delivery.account, delivery.corpus.cast
    delivery.account.contacts |= set(cast.people[2:12])
    _long(delivery, cast.people[2])
    delivery.chat(cast.people[3], 1)
    delivery.chat(cast.people[4], 60, folder_id=1)
    delivery.put(cast.people[5], [])
    delivery.chat(cast.deleted, 12)
    for place, bot in enumerate(cast.bots):
        _bot(delivery, bot, place)
    upgraded = types.InputChannel(UPGRADED, 0)
    old = corpus.basic(MIGRATED, "Founders' group", 5, migrated_to=upgraded, deactivated=True)
    letters = _group(corpus, "migrated", [account.user_id, *cast.people[:5]], 130)
    letters.append(Letter(letters[-1].date + 60, account.user_id, action=types.MessageActionChatMigrateTo(UPGRADED)))
    delivery.conversations[old] = letters
    for number in range(FILLERS):
        delivery.chat(cast.person(), 1 + number % 3, folder_id=int(number % 10 == 0))


def _long(delivery: Delivery, friend: int) -> None:
    """The long private chat: albums, voices, videos, calls, the large documents, and every hostile file name."""
    shelf = delivery.corpus.shelf
    letters = delivery.chat(friend, LONG, pinned=True)
    for place in range(100, 104):
        letters[place].fields = {"message": "", "media": photo(shelf.photo()), "grouped_id": 13_000_000_000_001}
        letters[place].date = letters[100].date
    letters[110].fields = {"message": "secret", "media": types.MessageMediaPhoto(ttl_seconds=10)}
    letters[111].fields = {"message": "", "media": document(video(shelf), spoiler=True)}
    letters[112].fields = {"message": "", "media": document(voice(shelf)), "media_unread": True}
    letters[113].fields = {}
    letters[113].action = types.MessageActionPhoneCall(77, reason=types.PhoneCallDiscardReasonHangup(), duration=61)
    for place, item in enumerate(shelf.documents[:100]):
        letters[150 + 2 * place].fields = {"message": "", "media": document(item)}


def _bot(delivery: Delivery, bot: int, place: int) -> None:
    random = delivery.random
    letters = delivery.chat(bot, 40, folder_id=place)
    url = types.KeyboardInlineButton("Open", types.InlineButtonTypeUrl("https://example.com/"))
    call = types.KeyboardInlineButton("More", types.InlineButtonTypeCallback(b"more:1"))
    rows = [types.KeyboardInlineButtonRow([url, call])]
    letters[0].sender, letters[0].fields = delivery.account.user_id, {
        "message": "/start", "entities": [types.MessageEntityBotCommand(0, 6)]}
    for letter in letters[1:]:
        if letter.sender == bot and random.random() < 0.6:
            letter.fields["reply_markup"] = types.ReplyInlineMarkup(rows)
        elif letter.sender != bot:
            letter.fields["via_bot_id"] = bot


def _group(corpus: Corpus, name: str, members: list[int], count: int) -> list[Letter]:
    """A basic group's conversation with its service messages."""
    random = corpus.random(f"basic:{name}")
    letters = chatter(corpus, random, members, count, EPOCH + DAY, 2 * YEAR)
    services = [
        types.MessageActionChatCreate(name, members[:3]),
        types.MessageActionChatEditTitle(phrase(random, 3)),
        types.MessageActionChatEditPhoto(random.choice(corpus.shelf.photos)),
        types.MessageActionChatAddUser([members[-1]]),
        types.MessageActionChatJoinedByLink(members[0]),
        types.MessageActionChatDeletePhoto(),
        types.MessageActionChatDeleteUser(members[-1]),
        types.MessageActionChatAddUser([members[-1]]),
    ]
    for place, action in enumerate(services):
        at = letters[place * 15]
        at.fields, at.action, at.answers = {}, action, None
    return letters


def _saved(delivery: Delivery) -> list[Letter]:
    """Saved Messages: notes, and what was forwarded from people, channels and hidden senders, each a sub-dialog."""
    random, me, cast = delivery.random, delivery.account.user_id, delivery.corpus.cast
    letters = chatter(delivery.corpus, random, [me], 60 if delivery.account.index < 2 else 8, EPOCH, 3 * YEAR)
    channel = -(CHANNEL_MARK + BROADCAST)
    for place, letter in enumerate(letters):
        origin = (me, me, cast.people[0], channel, HIDDEN)[place % 5]
        letter.fields["saved_peer_id"] = peer_of(origin)
        if origin == HIDDEN:
            letter.fields["fwd_from"] = types.MessageFwdHeader(letter.date - 60, from_name="Hidden 🕵")
        elif origin != me:
            post = {"channel_post": 7, "saved_from_msg_id": 7} if origin == channel else {"saved_from_msg_id": 12}
            letter.fields["fwd_from"] = types.MessageFwdHeader(
                letter.date - 60, from_id=peer_of(origin), saved_from_peer=peer_of(origin), **post)
        if place % 9 == 4:
            letter.fields["reactions"] = reactions(delivery.corpus, random)
            letter.fields["reactions"].reactions_as_tags = True
            letter.fields["reactions"].recent_reactions = None
    return letters
